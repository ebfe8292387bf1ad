/** Opens the runs of a host behind a hostlink daemon. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Failure } from '../../failure.ts'
import type { Link, LinkFailure } from '../../hostlink/link/link.ts'
import type { Env } from '../../process/surroundings.ts'
import { type HostLink, type NoReply, noReply, refusal } from '../../runs/host-link.ts'
import { openLink } from '../../transport/hostlink.ts'
import { splitTarget } from '../../transport/target.ts'
import { failureOf } from '../connect-failure.ts'
import type { OpenedHost } from './ended-at-host.ts'

/** Longer than any wait that is asked for. */
const ANSWER_MS = 90_000
/** A report, a list or a piece of a log is far smaller. A host that is not trusted decides what is parsed here. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024
/** A daemon that is restarted is back by then, and its runs must not be reported as unreachable in the meantime. */
const RESTART_PAUSES_MS = [100, 200, 400, 800]

export async function openLinkedHost(target: string, env: Env, signal?: AbortSignal): Promise<OpenedHost> {
  const { kind, rest } = splitTarget(target)
  if (kind !== 'hostlink') return { ok: false, failure: noHost(target) }
  const open = () => openLink(rest, { env, maxAnswerBytes: MAX_ANSWER_BYTES, ...(signal ? { signal } : {}) })
  let opened = await open()
  for (const pause of RESTART_PAUSES_MS) {
    if (opened.ok || opened.problem !== 'unreachable' || signal?.aborted) break
    await sleep(pause, undefined, { signal }).catch(() => {})
    opened = await open()
  }
  if (!opened.ok) return { ok: false, failure: failureOf(opened, target) }
  return { ok: true, host: linkedHost(target, opened.link) }
}

function linkedHost(target: string, link: Link): HostLink {
  return {
    target,
    ask: async (action, fields, signal) => {
      const result = await link.run(action, fields, { answerTimeoutMs: ANSWER_MS, signal })
      return result.ok ? result : notAnswered(target, action, result.failure)
    },
    close: () => link.close(),
  }
}

function notAnswered(target: string, command: string, failure: LinkFailure): NoReply {
  const lost = (reason: string) => noReply({ code: 'unreachable', target, reason }, { again: true })
  switch (failure.kind) {
    case 'auth':
      return noReply({ code: 'auth-failed', target })
    case 'refused':
      return refusal(target, failure.status, failure.message)
    case 'unsupported':
      return noReply(noHost(target))
    case 'connect':
    case 'lost':
      return lost(failure.reason)
    case 'timeout':
      return lost(`no answer within ${failure.afterMs} ms`)
    case 'cancelled':
      return lost('not waited for any longer')
    case 'protocol':
      // The request was sent, and not even the same one is answered better by such a host.
      return noReply({ code: 'link-lost', target, command, reason: failure.reason })
  }
}

const noHost = (target: string): Failure => ({ code: 'usage', what: 'no-runs-at', target })
