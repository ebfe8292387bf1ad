/** The fields of answers, as tables that the client checks them by; their types follow from these. */

export type Kind = 'string' | 'integer' | 'boolean' | 'strings'
/** A trailing `?` marks what may be absent. */
export type Fields = Readonly<Record<string, Kind | `${Kind}?`>>

type Values = { string: string; integer: number; boolean: boolean; strings: string[] }
export type FieldsOf<F extends Fields> = {
  -readonly [N in keyof F as F[N] extends Kind ? N : never]: F[N] extends Kind ? Values[F[N]] : never
} & {
  -readonly [N in keyof F as F[N] extends Kind ? never : N]?: F[N] extends `${infer K extends Kind}?`
    ? Values[K]
    : never
}

export const PING = {
  uptime_s: 'integer',
  features: 'strings?',
  server: 'string?',
  policy: 'string?',
  token_name: 'string?',
  max_timeout_ms: 'integer?',
  max_concurrent: 'integer?',
  max_request_bytes: 'integer?',
} as const satisfies Fields
export const EXEC = {
  exit_code: 'integer',
  stdout: 'string?',
  stderr: 'string?',
  stdout_file: 'string?',
  stderr_file: 'string?',
  detached: 'boolean?',
  job_id: 'string?',
  stdout_truncated: 'boolean?',
  stderr_truncated: 'boolean?',
  stdout_original_bytes: 'integer?',
  stderr_original_bytes: 'integer?',
  duration_ms: 'integer?',
  timeout_requested_ms: 'integer?',
  timeout_effective_ms: 'integer?',
  stdout_binary: 'boolean?',
  stderr_binary: 'boolean?',
  signal: 'string?',
  start_error: 'string?',
  cancelled: 'boolean?',
  attached: 'boolean?',
} as const satisfies Fields
export const TAIL = {
  data: 'string',
  offset: 'integer',
  next_offset: 'integer',
  binary: 'boolean?',
  state: 'string?',
  done: 'boolean?',
} as const satisfies Fields
