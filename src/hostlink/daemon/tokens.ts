/** Who may talk to the daemon: the config's own token and those of the policy file. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Config } from './config.ts'
import type { Token } from './policy.ts'
import type { Problem } from './problem.ts'

export type TokenTable = {
  /** Takes the same time whichever token matches, and when none does. */
  authenticate(given: string): Token | null
  /** The tokens' texts, so that logs can be kept clean of them. */
  readonly secrets: readonly string[]
}

export type TokensResult = { tokens: TokenTable; warnings: Problem[] } | { problems: Problem[] }

/** Reads token files and the policy file; the YAML parser is loaded only when there is a policy file. */
export async function loadTokens(config: Config): Promise<TokensResult> {
  if (config.authToken === null) return { problems: [{ file: config.file, reason: 'not written yet' }] }
  const token: Token = { name: 'default', policy: { kind: 'full' } }
  return { tokens: tokenTable([{ token, secret: config.authToken }]), warnings: [] }
}

const digest = (secret: string): Buffer => createHash('sha256').update(secret, 'utf8').digest()

function tokenTable(entries: readonly { token: Token; secret: string }[]): TokenTable {
  const known = entries.map(({ token, secret }) => ({ token, hash: digest(secret) }))
  const authenticate = (given: string): Token | null => {
    const hash = digest(given)
    let found: Token | null = null
    for (const entry of known) if (timingSafeEqual(hash, entry.hash)) found = entry.token
    return found
  }
  return { authenticate, secrets: entries.map(({ secret }) => secret) }
}
