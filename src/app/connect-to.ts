/** Connects to a target. An interruption ends the attempt. */
import type { Failure } from '../failure.ts'
import { openTransport, wrongTarget } from '../transport/connect.ts'
import type { Transport } from '../transport/transport.ts'
import { failureOf } from './connect-failure.ts'
import type { Interrupts } from './interrupts.ts'

type Reached = { ok: true; transport: Transport } | { ok: false; failure: Failure }

type Way = {
  env: Readonly<Record<string, string | undefined>>
  jobsFolder: string
  interrupts: Interrupts
}

export async function connectTo(target: string, { env, jobsFolder, interrupts }: Way): Promise<Reached> {
  const stop = new AbortController()
  interrupts.handle(() => stop.abort())
  const connected = await openTransport(target, { env, jobsFolder, signal: stop.signal })
  if (!interrupts.first)
    return connected.ok ? connected : { ok: false, failure: failureOf(connected, target) }
  if (connected.ok) await connected.transport.close()
  return { ok: false, failure: { code: 'interrupted', signal: interrupts.first } }
}

/** Found before anything is contacted, so that a dry run reports it as well. */
export function targetFailure(target: string): Failure | null {
  const wrong = wrongTarget(target)
  return wrong === null ? null : failureOf(wrong, target)
}
