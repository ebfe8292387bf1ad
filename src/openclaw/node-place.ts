/** Where an OpenClaw node is reached: the gateway, its token, and what runs on the node. Settings before environment. */
import { readFileSync } from 'node:fs'
import { Failed } from '../failure.ts'
import type { Settings } from '../playbook/settings.ts'
import type { Env } from '../process/surroundings.ts'
import { splitTarget } from '../transport/target.ts'

export type NodePlace = {
  target: string
  /** The node's display name at the gateway, or its id. */
  name: string
  gateway: URL
  token: string
  /** The launcher on the node, and the agent whose exec approvals count. */
  trigger: string
  agent: string
}

const USUAL_GATEWAY = 'ws://127.0.0.1:18789'
const USUAL_TRIGGER = '/usr/local/lib/hostops/hostops-trigger'

/** Throws `Failed`. */
export function placeOfNode(target: string, { nodes = {} }: Settings, env: Env): NodePlace {
  const { rest: name = '' } = splitTarget(target)
  const { gateway, tokenFile, trigger = USUAL_TRIGGER, agent = 'main' } = nodes[name] ?? {}
  const token = tokenFile === undefined ? env['OPENCLAW_GATEWAY_TOKEN'] : tokenIn(tokenFile)
  if (!token)
    throw badTarget(
      `there is no token for the gateway of ${target}`,
      'set OPENCLAW_GATEWAY_TOKEN, or tokenFile of the node in hostops.config.yaml',
    )
  const url = urlOf(gateway ?? env['OPENCLAW_GATEWAY_URL'] ?? USUAL_GATEWAY)
  return { target, name, gateway: url, token, trigger, agent }
}

/** There a gateway believes the token alone. */
export const isLoopback = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)

function urlOf(text: string): URL {
  const address = text.replace(/^http/, 'ws')
  if (/^wss?:/.test(address) && URL.canParse(address)) return new URL(address)
  throw badTarget(`"${text}" is not the address of a gateway`, `write it like ${USUAL_GATEWAY}`)
}

function tokenIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw badTarget(`cannot read the token: ${(error as Error).message}`, 'correct tokenFile in the settings')
  }
}

export const badTarget = (reason: string, hint: string) =>
  new Failed({ ...{ code: 'usage', what: 'target' }, reason, hint })
