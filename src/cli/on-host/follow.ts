/** Follows a run on the host with the usual face, until its end is known. Asking again is always harmless. */
import type { Event } from '../../engine/events.ts'
import type { Failure } from '../../failure.ts'
import type { RunAnswer } from '../../hostlink/messages.ts'
import { printable } from '../../ui/printable.ts'
import { sentence } from '../../wording/word.ts'
import { type Asked, type Host, patiently } from './host.ts'

type Watcher = {
  event(event: Event): void
  /** What the runner said that is no event: for people. */
  words(line: string): void
}

const EVENTS_WAIT_MS = 20_000
const SHORT_WAIT_MS = 1000
const CHUNK_BYTES = 256 * 1024

/** The answer with the report line, or why there is none. */
export async function follow(
  host: Host,
  runId: string,
  watcher: Watcher,
  signal: AbortSignal,
  /** Of one runner of it: what that one says in the end. */
  runner?: string,
): Promise<Asked> {
  const lines = makeLines(watcher)
  const { onSilence, onAnswer } = silenceOf(host, watcher)
  let job: string | undefined
  let offset = 0
  for (;;) {
    const fields = { run_id: runId, job_id: job, offset, max_bytes: CHUNK_BYTES, wait_ms: EVENTS_WAIT_MS }
    const events = await patiently(() => host.ask('events', fields, signal), signal, onSilence)
    if (events.ok) onAnswer()
    if (signal.aborted || (!events.ok && !events.missing)) return events
    // The words of another one that lives are not those of who only found that out.
    if (events.ok && (runner === undefined || events.value.job_id === runner)) {
      const { job_id, data, next_offset, done } = events.value
      if (job_id !== job) lines.restart()
      job = job_id
      lines.take(textOf(events.value))
      offset = next_offset ?? offset
      if (data !== '' || !done) continue
    }
    const waited = await waitFor(host, runId, SHORT_WAIT_MS, signal, runner)
    if (!waited.ok || waited.value.done || signal.aborted) return waited
  }
}

/** What is drawn meanwhile is what was known before. */
function silenceOf({ target }: Host, watcher: Watcher) {
  let isSilent = false
  const say = (line: string) => watcher.event({ type: 'said', id: 'link', phase: null, line })
  return {
    onSilence: (failure: Failure) => {
      if (!isSilent) say(`${sentence(failure)}; the run goes on there, and is asked about again`)
      isSilent = true
    },
    onAnswer: () => {
      if (isSilent) say(`${target} answers again`)
      isSilent = false
    },
  }
}

export const waitFor = (
  host: Host,
  runId: string,
  timeoutMs: number,
  signal?: AbortSignal,
  runner?: string,
): Promise<Asked> =>
  patiently(() => host.ask('wait', { run_id: runId, job_id: runner, timeout_ms: timeoutMs }, signal), signal)

/** What is no text comes in base64. */
const textOf = (answer: RunAnswer & { binary?: boolean }): string =>
  answer.binary ? Buffer.from(answer.data ?? '', 'base64').toString('utf8') : (answer.data ?? '')

function makeLines(watcher: Watcher) {
  let rest = ''
  return {
    restart: () => {
      rest = ''
    },
    take: (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const event = eventOf(line)
        if (event) watcher.event(event)
        else watcher.words(printable(line))
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
