/** Playbooks that a token may start here, with what each of them wants: what an agent asks first. */
import { existsSync } from 'node:fs'
import * as z from 'zod'
import type { Config } from '../hostlink/daemon/config/config.ts'
import { type Body, failure } from '../hostlink/daemon/peers/answer.ts'
import { bareDigest, type PlaybookGrant, type Policy, type Token } from '../hostlink/daemon/policy/policy.ts'
import { systemReason } from '../process/system-error.ts'
import type { Said } from './hostops-command.ts'
import { findInstalled, type Installed } from './installed-playbooks.ts'

export const BROKEN = 'it has mistakes: hostops validate tells them on the host'

/** `problem`: why nobody can start it as things are. */
export type Offered = {
  name: string
  description: string | null
  digest: string | null
  inputs: OfferedInput[]
  problem: string | null
}

/** As the program describes them; what a newer one adds is handed on. */
const inputSchema = z.looseObject({ name: z.string(), type: z.string() })
const entrySchema = z.object({
  name: z.string(),
  file: z.string(),
  valid: z.boolean(),
  description: z.string().nullish(),
  inputs: z.array(inputSchema).default([]),
})
type OfferedInput = z.output<typeof inputSchema>
type Entry = z.output<typeof entrySchema>

/** A body: why the program could not be asked. */
type Ask = (args: readonly string[]) => Promise<Said | Body>

export async function offeredPlaybooks({ policy }: Token, config: Config, ask: Ask): Promise<Body> {
  const playbooks = await offerTo(policy, config, ask)
  return typeof playbooks === 'string' ? failure(playbooks) : { status: 'ok', playbooks }
}

/** A text: why the program does not tell. */
export async function offerTo(policy: Policy, config: Config, ask: Ask): Promise<Offered[] | string> {
  const from = existsSync(config.playbooksDir) ? ['--playbooks', config.playbooksDir] : []
  const said = await ask(['list', '--json', ...from])
  if ('status' in said) return said.error_msg ?? 'hostops list did not answer'
  const entries = readEntries(said.stdout)
  if (entries === null) return `hostops does not tell its playbooks: ${said.stderr.trim()}`
  const grants = policy.kind === 'playbooks' ? policy.playbooks : entries.map(({ name }) => ({ name }))
  return grants.map(grant => offer(grant, entries, config)).filter(each => each !== null)
}

function readEntries(text: string): Entry[] | null {
  try {
    return z.array(entrySchema).safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}

/** Null for what has the name, and is not what would run under it. */
function offer(
  grant: Pick<PlaybookGrant, 'name'> & Partial<PlaybookGrant>,
  entries: readonly Entry[],
  config: Config,
): Offered | null {
  const { name, digest, pinned = {} } = grant
  const none = (problem: string): Offered => ({ name, description: null, digest: null, inputs: [], problem })
  let installed: Installed | null
  try {
    installed = findInstalled(name, config)
  } catch (error) {
    return none(`it cannot be read: ${systemReason(error)}`)
  }
  if (installed === null) return digest === undefined ? null : none('it is not installed on this host')
  if (digest !== undefined && installed.digest !== bareDigest(digest))
    return none('it is not the one that was reviewed (its digest differs)')
  const entry = entries.find(each => each.name === name && each.file === installed.file)
  if (entry === undefined) return digest === undefined ? null : none('the host does not tell what it wants')
  return {
    name,
    description: entry.description ?? null,
    digest: installed.digest,
    inputs: entry.inputs.map(input => fixed(input, pinned)),
    problem: entry.valid ? null : BROKEN,
  }
}

/** A value that the policy gives is nobody else's to give, and a secret is nobody's to read. */
const fixed = (input: OfferedInput, pinned: Readonly<Record<string, unknown>>): OfferedInput =>
  Object.hasOwn(pinned, input.name)
    ? { ...input, from: 'pinned', value: input.type === 'secret' ? '***' : pinned[input.name] }
    : input
