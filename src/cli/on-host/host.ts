/** Where a run lives that outlives its client: behind a hostlink daemon, or on this machine in the same way. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Failure } from '../../failure.ts'
import type { Link, LinkFailure } from '../../hostlink/link.ts'
import type { RunAnswer } from '../../hostlink/messages.ts'
import { openLink } from '../../transport/hostlink.ts'
import { failureOf, targetFailure } from '../connect-to.ts'
import type { Io } from '../io.ts'

export type Asked =
  | { ok: true; value: RunAnswer }
  /** `missing`: there is no such thing; `again`: nobody knows whether it was heard, and asking again may help. */
  | { ok: false; failure: Failure; missing: boolean; again: boolean }

export type Host = {
  readonly target: string
  ask(action: string, fields: object, signal?: AbortSignal): Promise<Asked>
  close(): void
}

export type Opened = { ok: true; host: Host } | { ok: false; failure: Failure }

/** A daemon that is restarted is back by then. */
const PAUSES_MS = [100, 200, 400, 800, 1500, 3000, 5000, 5000, 5000, 5000, 5000, 10_000, 10_000, 10_000]
/** Longer than any wait that is asked for. */
const ANSWER_MS = 90_000

export async function openHost(target: string, state: string, io: Io, signal?: AbortSignal): Promise<Opened> {
  const wrong = targetFailure(target)
  if (wrong !== null) return { ok: false, failure: wrong }
  if (target === 'local') {
    const { openLocalHost } = await import('./local-host.ts')
    return { ok: true, host: openLocalHost(state, process.argv[1] ?? '') }
  }
  const [kind, name] = target.split(/:(.*)/s)
  if (kind !== 'hostlink') return { ok: false, failure: noHost(target) }
  const opened = await openLink(name, { env: io.env, ...(signal ? { signal } : {}) })
  if (!opened.ok) return { ok: false, failure: failureOf(opened, target) }
  return { ok: true, host: linkedHost(target, opened.link) }
}

/** Asks again while the link comes and goes; every request of this kind may be repeated. */
export async function patiently(ask: () => Promise<Asked>, signal?: AbortSignal): Promise<Asked> {
  for (const pause of PAUSES_MS) {
    const asked = await ask()
    if (asked.ok || !asked.again || signal?.aborted) return asked
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
  })
  if (status === 'denied') return said({ code: 'denied', target, rule: message })
  return said({ code: 'usage', problem: `${target}: ${message}` })
}

function linkedHost(target: string, link: Link): Host {
  return {
    target,
    ask: async (action, fields, signal) => {
      const options = { answerTimeoutMs: ANSWER_MS, ...(signal ? { signal } : {}) }
      const result = await link.run(action, fields, options)
      return result.ok ? result : notAnswered(target, result.failure)
    },
    close: () => link.close(),
  }
}

function notAnswered(target: string, failure: LinkFailure): Asked {
  const no = (why: Failure, again = false): Asked => ({ ok: false, failure: why, missing: false, again })
  const lost = (reason: string) => no({ code: 'unreachable', target, reason }, true)
  switch (failure.kind) {
    case 'auth':
      return no({ code: 'auth-failed', target })
    case 'refused':
      return refusal(target, failure.status, failure.message)
    case 'unsupported':
      return no(noHost(target))
    case 'connect':
    case 'lost':
      return lost(failure.reason)
    case 'timeout':
      return lost(`no answer within ${failure.afterMs} ms`)
    case 'cancelled':
      return lost('not waited for any longer')
    case 'protocol':
      return no({ code: 'unreachable', target, reason: failure.reason })
  }
}

const noHost = (target: string): Failure => ({
  code: 'usage',
  problem: `${target} offers no runs on the host`,
  hint: 'they need hostops’ own hostlinkd there: --target hostlink (hostops doctor --target hostlink shows what it offers)',
})
