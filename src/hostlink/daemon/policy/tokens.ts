/** Who may talk to the daemon: the config's own token and those of the policy file. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { getgid } from '../config/accounts.ts'
import { type Config, place, SHORTEST_TOKEN_BYTES } from '../config/config.ts'
import { readPrivateFile } from '../config/private-file.ts'
import type { Problem } from '../config/problem.ts'
import { findUser } from '../config/user.ts'
import type { Token } from './policy.ts'
import type { TokenEntry } from './policy-file.ts'

export type TokenTable = {
  /** Takes the same time whichever token matches, and when none does. */
  authenticate(given: string): Token | null
  /** The tokens' texts, so that logs can be kept clean of them. */
  readonly secrets: readonly string[]
  readonly tokens: readonly Token[]
}

type TokensResult = { tokens: TokenTable; warnings: Problem[] } | { problems: Problem[] }

type Entry = { readonly token: Token; readonly secret: string; readonly from: Omit<Problem, 'reason'> }
type Found = { entries: Entry[]; problems: Problem[]; warnings: Problem[] }

/** The config's own token; in a policy file this name is taken. */
const OWN_TOKEN = 'default'

/** Reads token files and the policy files; the YAML parser is loaded only when there is a policy file. */
export async function loadTokens(config: Config, env: NodeJS.ProcessEnv): Promise<TokensResult> {
  const found: Found = { entries: [], problems: [], warnings: [] }
  addOwnToken(config, found)
  for (const file of config.policyFile) await addPolicyTokens(config, file, env, found)
  found.problems.push(...twice(found.entries))
  if (found.problems.length > 0) return { problems: found.problems }
  return { tokens: tokenTable(found.entries), warnings: found.warnings }
}

function addOwnToken(config: Config, found: Found): void {
  const token: Token = { name: OWN_TOKEN, policy: { kind: 'full' } }
  if (config.authToken !== null) {
    found.entries.push({ token, secret: config.authToken, from: place(config, 'auth_token') })
  }
  if (config.authTokenFile !== null) {
    addTokenFile(
      {
        token,
        file: config.authTokenFile,
        group: socketGroup(config),
        from: place(config, 'auth_token_file'),
      },
      found,
    )
  }
}

async function addPolicyTokens(
  config: Config,
  file: string,
  env: NodeJS.ProcessEnv,
  found: Found,
): Promise<void> {
  const read = readPrivateFile(file, { mayBeRead: 'by all', what: 'policy' })
  if ('problem' in read)
    return void found.problems.push({ ...read.problem, ...blame(config, file, read.problem) })
  found.warnings.push(...read.warnings)
  const { parsePolicyFile } = await import('./policy-file.ts')
  const parsed = parsePolicyFile(read.text, file)
  if ('problems' in parsed) return void found.problems.push(...parsed.problems)
  const { ruleProblems } = await import('./check-rules.ts')
  const trusted = trustedUsers(config)
  for (const entry of parsed.entries) {
    addEntry(config, entry, found)
    found.problems.push(...ruleProblems(config, entry, env, trusted))
  }
}

/** Root, and the user that the daemon is going to be. */
function trustedUsers({ runAsUser }: Config): ReadonlySet<number> {
  const user = runAsUser === null ? process.geteuid?.() : findUser(runAsUser)?.uid
  return new Set([0, user ?? 0])
}

/** A file that is not there is a mistake of the line that names it. */
const blame = (config: Config, file: string, problem: Problem): Partial<Problem> =>
  problem.hint === undefined ? { ...place(config, 'policy_file'), reason: `${file}: ${problem.reason}` } : {}

function addEntry(config: Config, entry: TokenEntry, found: Found): void {
  const { name, policy, file } = entry
  const from = { file, line: entry.line, key: `tokens.${name}` }
  const other = found.entries.find(({ token }) => token.name === name)
  if (name === OWN_TOKEN) {
    found.problems.push({ ...from, reason: `the name ${OWN_TOKEN} is that of the config's own token` })
    return
  }
  if (other !== undefined) {
    found.problems.push({ ...from, reason: `the name ${name} is taken by a token of ${other.token.file}` })
    return
  }
  const group = entry.groupReadable ? 'any' : socketGroup(config)
  addTokenFile({ token: { name, policy, file }, file: entry.tokenFile, group, from }, found)
}

/** Who may connect to the socket may know a token for it, when the config says in so many words which group that is. */
const socketGroup = (config: Config): number | null =>
  config.lines.has('unix_group') ? getgid(config.unixGroup) : null

type TokenFile = { token: Token; file: string; group: number | 'any' | null; from: Omit<Problem, 'reason'> }

function addTokenFile({ token, file, group, from }: TokenFile, found: Found): void {
  const read = readPrivateFile(file, { mayBeRead: group, what: 'token' })
  if ('problem' in read) {
    const { reason, hint } = read.problem
    found.problems.push({ ...from, reason: `${file}: ${reason}`, hint })
    return
  }
  const secret = read.text.replace(/\r?\n$/, '')
  if (secret === '' || /[\r\n]/.test(secret)) {
    const reason = secret === '' ? 'is empty' : 'has more than one line'
    found.problems.push({ ...from, reason: `${file}: ${reason}`, hint: `openssl rand -hex 32 > ${file}` })
    return
  }
  const bytes = Buffer.byteLength(secret)
  if (bytes < SHORTEST_TOKEN_BYTES) {
    found.warnings.push({
      ...from,
      reason: `${file}: has ${bytes} bytes and can be guessed`,
      hint: `openssl rand -hex 32 > ${file}`,
    })
  }
  for (const warning of read.warnings)
    found.warnings.push({ ...warning, ...from, reason: `${file}: ${warning.reason}` })
  found.entries.push({ token, secret, from })
}

function twice(entries: readonly Entry[]): Problem[] {
  const names = new Map<string, string>()
  return entries.flatMap(({ token, secret, from }) => {
    const first = names.get(secret)
    names.set(secret, first ?? token.name)
    return first === undefined ? [] : [{ ...from, reason: `is the same token as that of ${first}` }]
  })
}

const digest = (secret: string): Buffer => createHash('sha256').update(secret, 'utf8').digest()

/** Digests have one length, so that neither the length of what is given nor a common beginning can be timed. */
function tokenTable(entries: readonly Entry[]): TokenTable {
  const known = entries.map(({ token, secret }) => ({ token, hash: digest(secret) }))
  const authenticate = (given: string): Token | null => {
    const hash = digest(given)
    let found: Token | null = null
    // No early exit: which token it was must not show either.
    for (const entry of known) {
      const matches = timingSafeEqual(hash, entry.hash)
      found = matches ? entry.token : found
    }
    return found
  }
  return {
    authenticate,
    secrets: entries.map(({ secret }) => secret),
    tokens: entries.map(({ token }) => token),
  }
}
