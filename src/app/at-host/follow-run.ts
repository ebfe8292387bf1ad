/** Follows a run at a host until its end is known. Asking again is always harmless. */
import type { Event } from '../../engine/events.ts'
import type { RunEnd } from '../../engine/run-input.ts'
import type { Failure } from '../../failure.ts'
import type { RunAnswer } from '../../hostlink/messages.ts'
import { atOf, type HostLink, type Reply, withRetries } from '../../runs/host-link.ts'
import { reportOf, waitAt } from '../../runs/runs-at.ts'
import type { Interrupts } from '../interrupts.ts'
import type { Watcher } from '../watcher.ts'
import { lost, type ToldByHost } from './ended-at-host.ts'

const EVENTS_WAIT_MS = 20_000
const SHORT_WAIT_MS = 1000
const CHUNK_BYTES = 256 * 1024

type Following = {
  watcher: Watcher
  interrupts: Interrupts
  /** One of the run's runners: its end is waited for, not that of the run. */
  runner?: string | undefined
}

export async function followToEnd(
  host: HostLink,
  runId: string,
  { watcher, interrupts, runner }: Following,
): Promise<RunEnd | ToldByHost> {
  const leave = new AbortController()
  interrupts.handle(signal => {
    // The end of a terminal or of this container is not a wish to stop: outliving that is why the run is at the host.
    if (signal !== 'SIGINT') return leave.abort()
    void host.ask('cancel', { run_id: runId, signal: 'INT' }).catch(() => {})
  })
  await watcher.ready(atOf(host))
  const reply = await follow(host, runId, watcher, leave.signal, runner)
  if (leave.signal.aborted) return left(interrupts)
  if (!reply.ok) return lost(reply.failure)
  const told = reportOf(reply.value, runId)
  if (told === null) return lost({ code: 'usage', what: 'unreadable-answer', from: host.target, of: runId })
  return { kind: 'told', told, at: atOf(host) }
}

function left({ first }: Interrupts): RunEnd {
  const signal = first === 'SIGINT' || first === null ? 'SIGTERM' : first
  return { outcome: 'unknown', failedStep: null, failure: { code: 'interrupted', signal } }
}

/** The answer with the report line, or why there is none. */
async function follow(
  host: HostLink,
  runId: string,
  watcher: Watcher,
  signal: AbortSignal,
  runner: string | undefined,
): Promise<Reply> {
  const lines = makeLines(watcher)
  const { onSilence, onAnswer } = silenceOf(watcher)
  let job: string | undefined
  let offset = 0
  /** Whether more may come of what was answered. */
  const take = (answer: RunAnswer): boolean => {
    // The words of another runner that lives are not those of the one that only found that out.
    if (runner !== undefined && answer.job_id !== runner) return false
    if (answer.job_id !== job) lines.restart()
    job = answer.job_id
    lines.take(textOf(answer))
    offset = answer.next_offset ?? offset
    return answer.data !== '' || !answer.done
  }
  for (;;) {
    const fields = { run_id: runId, job_id: job, offset, max_bytes: CHUNK_BYTES, wait_ms: EVENTS_WAIT_MS }
    const events = await withRetries(() => host.ask('events', fields, signal), signal, onSilence)
    if (events.ok) onAnswer()
    if (signal.aborted || (!events.ok && !events.missing)) return events
    if (events.ok && take(events.value)) continue
    const waited = await waitAt(host, runId, SHORT_WAIT_MS, signal, runner)
    if (!waited.ok || waited.value.done || signal.aborted) return waited
  }
}

/** Reports once that the host is silent, and once that it answers again. */
function silenceOf({ note }: Watcher) {
  let isSilent = false
  return {
    onSilence: (failure: Failure) => {
      if (!isSilent) note({ kind: 'silence', failure })
      isSilent = true
    },
    onAnswer: () => {
      if (isSilent) note({ kind: 'answer' })
      isSilent = false
    },
  }
}

/** Anything that is not text comes in base64. */
const textOf = (answer: RunAnswer & { binary?: boolean }): string =>
  answer.binary ? Buffer.from(answer.data ?? '', 'base64').toString('utf8') : (answer.data ?? '')

function makeLines({ event, note }: Watcher) {
  let rest = ''
  return {
    restart: () => {
      rest = ''
    },
    take: (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const read = eventOf(line)
        if (read) event(read)
        else note({ kind: 'words', line })
      }
    },
  }
}

function eventOf(line: string): Event | null {
  try {
    const { time: _time, ...event } = JSON.parse(line)
    return typeof event.type === 'string' ? (event as Event) : null
  } catch {
    return null
  }
}
