/** One JSON line for each request: who, what, verdict, end. Never throws and never makes a request wait. */
import type { Config } from './config.ts'
import type { Log } from './log.ts'

export type AuditEntry = {
  /** Token name; null where authentication failed. */
  readonly token: string | null
  /** `unix:uid=1000,pid=42`, `tcp:127.0.0.1:5000`, or what is known of the peer. */
  readonly peer: string
  readonly type: string
  readonly id: string
  readonly argv?: readonly string[] | undefined
  readonly command?: string | undefined
  readonly workdir?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly job_id?: string | undefined
  readonly key?: string | undefined
  readonly verdict: 'allowed' | 'denied' | 'auth_failed' | 'bad_request' | 'error'
  readonly rule?: string | undefined
  readonly exit_code?: number | undefined
  readonly duration_ms?: number | undefined
}

export type Audit = {
  write(entry: AuditEntry): void
  /** Waits until everything so far is on disk. */
  flush(): Promise<void>
  close(): Promise<void>
}

export type AuditOptions = {
  readonly config: () => Config
  readonly log: Log
  /** The tokens' texts: they appear in no line. */
  readonly secrets: () => readonly string[]
}

export function openAudit(_options: AuditOptions): Audit {
  return { write: () => {}, flush: async () => {}, close: async () => {} }
}
