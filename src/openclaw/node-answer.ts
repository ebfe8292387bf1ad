/** Reads from a gateway's answer how a request to the launcher on a node ended. Pure. */
import * as z from 'zod'
import { parseJson } from '../document/json.ts'
import type { Failure } from '../failure.ts'
import type { RunAnswer } from '../hostlink/messages.ts'
import { type NoReply, noReply, type Reply } from '../runs/host-link.ts'
import { once } from '../steps/contract/once.ts'
import type { GatewayAnswer, NoAnswer } from './gateway.ts'
import type { NodePlace } from './node-place.ts'

/** `repeats`: asking twice does what asking once does. */
export type NodeRequest = { place: NodePlace; action: string; command: string; repeats: boolean }

export function replyIn(answer: GatewayAnswer, asked: NodeRequest): Reply {
  if (answer.kind !== 'answer')
    return answer.kind === 'lost' ? lostReply(answer, asked) : refused(answer, asked)
  const ran = ranSchema().safeParse(answer.payload).data?.payload
  if (ran === undefined) return unreadable(asked)
  if (ran.timedOut) return lostReply({ isSent: true, reason: 'the launcher did not end in time' }, asked)
  const { trigger } = asked.place
  if (ran.error) {
    const why = /ENOENT/.test(ran.error) ? 'not-found' : 'other'
    return noReply({ ...{ code: 'command-not-started', why }, argv: [trigger], detail: ran.error })
  }
  return printedReply(ran.stdout, asked) ?? silent(ran, asked)
}

/** Why the connection to a gateway was not made: nothing was asked of the node. */
export function notConnected(answer: NoAnswer, { target, gateway }: NodePlace): Failure {
  const unreachable = (reason: string, hint: string): Failure => ({
    ...{ code: 'unreachable', target, reason, hint },
  })
  if (answer.kind === 'lost')
    return unreachable(`the gateway ${gateway.origin} does not answer: ${answer.reason}`, GATEWAY_HINT)
  const { code, message, details } = answer
  if (code === 'NOT_PAIRED')
    return unreachable(
      'the gateway does not know this hostops yet',
      `at the gateway: openclaw devices approve ${details['requestId'] ?? ''}   then try again`,
    )
  if (/protocol/i.test(message))
    return unreachable(
      `the gateway speaks protocol ${details['expectedProtocol'] ?? 'of another version'}, and this hostops 3 and 4`,
      'use a hostops and an OpenClaw that are as new as each other',
    )
  if (/unauthorized|token|password/i.test(message)) return { code: 'auth-failed', target }
  return unreachable(`the gateway refused: ${message}`, GATEWAY_HINT)
}

const GATEWAY_HINT = 'openclaw gateway status   on its machine; OPENCLAW_GATEWAY_URL names its address'

/** A request that may have been heard is only repeated where that is harmless. */
function lostReply(lost: { isSent: boolean; reason: string }, asked: NodeRequest): NoReply {
  const { isSent, reason } = lost
  const { target } = asked.place
  return asked.repeats || !isSent
    ? noReply({ code: 'unreachable', target, reason }, { again: true })
    : noReply({ code: 'link-lost', target, command: asked.action, reason })
}

type Refused = Extract<NoAnswer, { kind: 'refused' }>

function refused({ code, message, details }: Refused, asked: NodeRequest): NoReply {
  const { target } = asked.place
  if (/SYSTEM_RUN_DENIED: approval required/.test(message))
    return noReply({
      ...{ code: 'approval-needed', target, why: 'not-asked' },
      command: asked.command,
      id: null,
    })
  if (/SYSTEM_RUN_(DENIED|DISABLED)|node command not allowed|missing scope/.test(message))
    return noReply({ code: 'denied', target, rule: message })
  // Said before the node has heard of it.
  if (details['code'] === 'NOT_CONNECTED' || details['code'] === 'ROUTE_CHANGED')
    return lostReply({ isSent: false, reason: OFFLINE }, asked)
  if (details['nodeCommandDispatched'] === false) return lostReply({ isSent: false, reason: message }, asked)
  if (code === 'UNAVAILABLE') return lostReply({ isSent: true, reason: message }, asked)
  return noReply({ ...{ code: 'usage', what: 'refused-by' }, target, message })
}

export const OFFLINE = 'the node is paired with the gateway, and is not connected to it'

type Ran = { exitCode?: number | null | undefined; stdout: string; stderr: string }

const ranSchema = once(() =>
  z.object({
    payload: z.object({
      exitCode: z.number().nullish(),
      timedOut: z.boolean().catch(false),
      stdout: z.string().catch(''),
      stderr: z.string().catch(''),
      error: z.string().nullish(),
    }),
  }),
)

/** The launcher's one line. */
const replySchema = once(() =>
  z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), value: z.looseObject({}) }),
    z.object({
      ok: z.literal(false),
      failure: z.looseObject({ code: z.string() }),
      missing: z.boolean().catch(false),
      again: z.boolean().catch(false),
      unable: z.boolean().catch(false),
    }),
  ]),
)

function printedReply(stdout: string, { place }: NodeRequest): Reply | null {
  const read = replySchema().safeParse(parseJson(stdout)).data
  if (read === undefined) return null
  if (read.ok) return { ok: true, value: read.value as unknown as RunAnswer }
  // It is the host's link that has failed there; here it is this target that a person knows.
  const there = 'target' in read.failure ? { target: place.target } : {}
  return { ...read, failure: { ...read.failure, ...there } as Failure }
}

function silent({ exitCode, stderr }: Ran, asked: NodeRequest): NoReply {
  if (!exitCode) return unreadable(asked)
  const { trigger } = asked.place
  const argv = [trigger, 'ask', asked.action]
  return noReply({ ...{ code: 'command-failed', argv, exitCode, signal: null }, tail: stderr })
}

const unreadable = ({ place, action }: NodeRequest): NoReply =>
  noReply({ ...{ code: 'usage', what: 'unreadable-answer' }, from: place.target, of: action })
