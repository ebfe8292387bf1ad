/** To the target, or the failure that says why not; a signal ends the trying. */
import type { Failure } from '../failure.ts'
import { connect, wrongTarget } from '../transport/connect.ts'
import type { Connected, Transport } from '../transport/transport.ts'
import type { Io } from './io.ts'
import type { Signals } from './signals.ts'

export type Reached = { ok: true; transport: Transport } | { ok: false; failure: Failure }

export async function connectTo(
  target: string,
  { io, jobsFolder, signals }: { io: Io; jobsFolder: string; signals: Signals },
): Promise<Reached> {
  const stop = new AbortController()
  signals.handle(() => stop.abort())
  const connected = await connect(target, { env: io.env, jobsFolder, signal: stop.signal })
  if (!signals.first) return connected.ok ? connected : { ok: false, failure: failureOf(connected, target) }
  if (connected.ok) await connected.transport.close()
  return { ok: false, failure: { code: 'interrupted', signal: signals.first } }
}

/** Found before anything is contacted, so that a dry run tells it as well. */
export function targetFailure(target: string): Failure | null {
  const wrong = wrongTarget(target)
  return wrong === null ? null : failureOf(wrong, target)
}

export function failureOf(connected: Connected & { ok: false }, target: string): Failure {
  switch (connected.problem) {
    case 'bad-target':
      return {
        code: 'usage',
        problem: connected.reason,
        ...(connected.hint ? { hint: connected.hint } : {}),
      }
    case 'auth-failed':
      return { code: 'auth-failed', target }
    case 'unreachable':
      return {
        code: 'unreachable',
        target,
        reason: connected.reason,
        ...(connected.hint ? { hint: connected.hint } : {}),
      }
  }
}
