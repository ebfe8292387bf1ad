/** Where a run lives that outlives its client: what is asked of it, and what an answer that is no means. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Failure } from '../../failure.ts'
import type { RunAnswer } from '../../hostlink/messages.ts'

export type Asked =
  | { ok: true; value: RunAnswer }
  /**
   * `missing`: there is no such thing; `again`: asking again may help; `unable`: the host would, and cannot now.
   */
  | { ok: false; failure: Failure; missing: boolean; again: boolean; unable: boolean }

export type Host = {
  readonly target: string
  ask(action: string, fields: object, signal?: AbortSignal): Promise<Asked>
  close(): void
}

/** A daemon that is restarted is back by then. */
const PAUSES_MS = [100, 200, 400, 800, 1500, 3000, 5000, 5000, 5000, 5000, 5000, 10_000, 10_000, 10_000]
/** Asks again while the link comes and goes; every request of this kind may be repeated. */
export async function patiently(
  ask: () => Promise<Asked>,
  signal?: AbortSignal,
  /** With why there was no answer, each time that there was none. */
  onSilence?: (failure: Failure) => void,
): Promise<Asked> {
  for (const pause of PAUSES_MS) {
    const asked = await ask()
    if (asked.ok || !asked.again || signal?.aborted) return asked
    onSilence?.(asked.failure)
    await sleep(pause, undefined, signal ? { signal } : {}).catch(() => {})
  }
  return ask()
}

/** What a daemon said no to, and what became of a link. */
export function refusal(target: string, status: string, message: string): Asked & { ok: false } {
  const said = (failure: Failure): Asked & { ok: false } => ({
    ok: false,
    failure,
    missing: status === 'not_found',
    again: message.startsWith('server busy'),
    unable: status === 'error',
  })
  if (status === 'denied') return said({ code: 'denied', target, rule: message })
  return said({ code: 'usage', problem: `${target}: ${message}` })
}
