/** What a request asks for and what the config lets it have. Pure. */
import { MAX_PAYLOAD_BYTES } from '../../frame.ts'
import type { ExecRequest } from '../../messages.ts'
import type { Config } from '../config/config.ts'

export type Limits = {
  readonly timeoutMs: number
  /** What was asked for, where that was more. */
  readonly clampedFrom: number | null
  readonly stdoutBytes: number
  readonly stderrBytes: number
}

export function limitsOf(wanted: ExecRequest, config: Config): Limits {
  const asked = wanted.timeout_ms ?? 0
  const timeout = asked > 0 ? asked : config.defaultTimeoutMs
  const most =
    config.maxOutputBytes === 0 ? MAX_PAYLOAD_BYTES : Math.min(config.maxOutputBytes, MAX_PAYLOAD_BYTES)
  const bytes = (given: number | undefined) =>
    Math.min(given === undefined || given < 0 ? config.defaultMaxOutputBytes : given, most)
  return {
    timeoutMs: Math.min(timeout, config.maxTimeoutMs),
    clampedFrom: asked > config.maxTimeoutMs ? asked : null,
    stdoutBytes: bytes(wanted.max_stdout_bytes),
    stderrBytes: bytes(wanted.max_stderr_bytes),
  }
}
