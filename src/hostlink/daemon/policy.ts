/** What a token may do. Pure: the file system is asked through the context only. */
import type { ExecRequest, JobRequest } from '../messages.ts'

export type Rule = {
  readonly binary: string
  /** Patterns for the arguments behind argv[0]; absent: any arguments. */
  readonly argv?: readonly string[]
  readonly env: readonly string[]
  readonly workdir?: string
  /** Where the rule stands, for answers and the audit log: `policy.yaml:12`. */
  readonly source: string
}

export type Policy =
  | { readonly kind: 'full' }
  | { readonly kind: 'deny' }
  | { readonly kind: 'allowlist'; readonly rules: readonly Rule[] }
  | { readonly kind: 'playbooks' }

export type Token = { readonly name: string; readonly policy: Policy }

export type Asked =
  | { readonly type: 'ping' }
  | { readonly type: 'cancel' }
  | { readonly type: 'exec'; readonly request: ExecRequest }
  | { readonly type: 'job'; readonly request: JobRequest }

export type PolicyContext = {
  /** argv[0] to the absolute path of the program, links followed, as the daemon's own PATH has it. */
  readonly resolve: (argv0: string) => string | null
  /** A folder's path with links followed. */
  readonly realpath: (path: string) => string | null
}

/** Where `resolvedArgv0` is given, it is what must be executed (with the request's own argv[0] as its name). */
export type Verdict = { allowed: true; resolvedArgv0?: string } | { allowed: false; rule: string }

export function decide(token: Token, asked: Asked, _context: PolicyContext): Verdict {
  if (asked.type === 'ping' || token.policy.kind === 'full') return { allowed: true }
  return { allowed: false, rule: `policy ${token.policy.kind} of token ${token.name}` }
}
