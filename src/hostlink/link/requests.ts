/** Requests as they go over the wire. What a daemon has to announce first is the caller's business. */
import type { RequestBody } from './channel.ts'
import type { CommandOptions, JobOptions, LinkExecOptions, TailOptions } from './link.ts'

export const pingBody = (id: string, keepAlive = false): RequestBody =>
  compact({ type: 'ping', id, keep_alive: keepAlive || undefined })

export const execBody = (id: string, options: LinkExecOptions): RequestBody =>
  compact({
    type: 'exec',
    id,
    ...commandFields(options),
    timeout_ms: options.timeoutMs,
    max_stdout_bytes: options.maxStdoutBytes,
    max_stderr_bytes: options.maxStderrBytes,
    output_to_file: options.outputToFile || undefined,
    workdir: options.cwd,
    env: options.env,
    stream: options.onOutput ? true : undefined,
    key: options.key,
    cancel_on_disconnect: options.cancelOnDisconnect,
    attach_only: options.attachOnly || undefined,
  })

export const jobBody = (id: string, options: JobOptions): RequestBody =>
  compact({
    type: 'exec',
    id,
    ...commandFields(options),
    workdir: options.cwd,
    env: options.env,
    detach: true,
    job_timeout_ms: options.timeoutMs,
    key: options.key,
    attach_only: options.attachOnly || undefined,
  })

export const cancelBody = (id: string, what: { id: string } | { key: string }): RequestBody =>
  compact({ type: 'cancel', id, ...('id' in what ? { target_id: what.id } : { key: what.key }) })

export const jobAction = (id: string, action: string, fields: object = {}): RequestBody =>
  compact({ type: 'job', id, action, ...fields })

export const runBody = (id: string, action: string, fields: object): RequestBody =>
  compact({ type: 'run', id, action, ...fields })

export const tailFields = (jobId: string, options: TailOptions) => ({
  job_id: jobId,
  stream: options.stream,
  offset: options.offset,
  max_bytes: options.maxBytes,
  wait_ms: options.waitMs,
})

/** Ids that no other client of the token uses, fit for the names of output files. */
export function requestIds(): () => string {
  const part = () => Math.random().toString(36).slice(2, 10)
  const prefix = `hl-${process.pid.toString(36)}-${part()}${part()}`
  let count = 0
  return () => `${prefix}-${++count}`
}

const commandFields = (options: CommandOptions) =>
  options.argv === undefined ? { command: options.command } : { argv: options.argv }

/** Absent fields are left out, not sent as null. */
const compact = (body: { type: string; id: string; [field: string]: unknown }): RequestBody =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as RequestBody
