/**
 * Plain lines with a time in front, for logs and pipes. A command's output stands after the id of its step, so that
 * no line of it can be taken for one of ours.
 */
import type { Event } from '../engine/events.ts'
import { printable } from '../wording/printable.ts'
import { sentence } from '../wording/word.ts'
import type { Face, Screen } from './face.ts'
import { byInWords, confirmInWords, elapsed, interruptedInWords, plural, verifiedInWords } from './words.ts'

/**
 * Callers that keep only the beginning of what a command prints (OpenClaw: 200 000 characters) must still see the
 * result line at its end. The step's log has everything.
 */
const OUTPUT_BUDGET = 100_000
const SILENCE_MS = 30_000

export function linesFace(screen: Screen): Face {
  let left = OUTPUT_BUDGET
  let runId = ''
  let running: { id: string; since: number } | null = null
  const line = (text: string) => screen.write(`${stamp(screen.now())} ${printable(text)}\n`)

  const tick = setInterval(() => {
    if (running) line(`${running.id}: still running after ${elapsed(screen.now() - running.since)}`)
  }, SILENCE_MS)
  tick.unref()

  const output = (text: string) => {
    if (left <= 0) return
    left -= text.length
    line(text)
    if (left <= 0) line(`output is not shown any more; more of it: hostops logs ${runId}${screen.at ?? ''}`)
  }

  return {
    event(event) {
      tick.refresh()
      if (event.type === 'run-started' || event.type === 'resumed') runId = event.runId
      if (event.type === 'step-started') running = { id: event.id, since: screen.now() }
      if (event.type === 'step-finished') running = null
      if (event.type === 'output') output(`${event.id} | ${event.line}`)
      else if (event.type === 'confirm-awaited')
        line(`${event.id}: ${confirmInWords(event, runId, screen.at)}`)
      else for (const text of say(event)) line(text)
    },
    close: () => clearInterval(tick),
  }
}

const stamp = (now: number) => `${new Date(now).toISOString().slice(0, 19)}Z`

function say(event: Exclude<Event, { type: 'output' | 'confirm-awaited' }>): string[] {
  switch (event.type) {
    case 'run-started':
      return [
        `${event.playbook} on ${event.target}: ${plural(event.steps.length, 'step')}, run ${event.runId}`,
      ]
    case 'snapshot-started':
      return ['recording the state to come back to']
    case 'snapshot-finished':
      return [`recorded in ${elapsed(event.durationMs)}`]
    case 'step-started':
      return [`${event.id}: ${event.attempt === 1 ? 'started' : `attempt ${event.attempt}`}`]
    case 'saw':
    case 'probe':
      return []
    case 'confirmed':
      return [`${event.id}: confirmed${byInWords(event.by)}`]
    case 'said':
      return [`${event.id}: ${event.line}`]
    case 'step-retrying':
      return [
        `${event.id}: attempt ${event.attempt} failed, again in ${elapsed(event.delayMs)}: ${sentence(event.failure)}`,
      ]
    case 'step-finished':
      return [`${event.id}: ${stepEnd(event)}`]
    case 'checked':
      return [`${event.id}: ${event.failure ? sentence(event.failure) : event.text}`]
    case 'plan-hashed':
      return [`plan ${event.hash}`]
    case 'interrupting':
      return [interruptedInWords(event)]
    case 'evidence':
      return event.evidence.map(({ name }) => `${event.id}: kept ${name}`)
    case 'evidence-missing':
      return [`${event.id}: its evidence could not be kept: ${sentence(event.failure)}`]
    case 'rollback-started':
      return [
        `rollback: ${event.steps.join(', ') || 'nothing to take back'}, because ${sentence(event.because)}`,
        ...(event.stopsAt ? [`rollback: does not go past ${event.stopsAt}, which cannot be taken back`] : []),
      ]
    case 'part-started':
      return [`rollback: ${event.movement} ${event.id}`]
    case 'part-finished':
      return [`rollback: ${event.movement} ${event.id}: ${partEnd(event)}`]
    case 'rollback-finished':
      return [
        `rollback: ${verifiedInWords(event)} after ${elapsed(event.durationMs)}`,
        ...event.remains.map(what => `rollback: remains: ${sentence(what)}`),
      ]
    case 'resumed':
      return [
        `going on with run ${event.runId}: ${plural(event.done.length, 'step')} done${event.inFlight ? `, ${event.inFlight} was under way` : ''}`,
      ]
    case 'recorded':
    case 'command-started':
    case 'observed':
    case 'run-finished':
      return []
  }
}

function stepEnd(event: Extract<Event, { type: 'step-finished' }>): string {
  const time = `in ${elapsed(event.durationMs)}`
  const tries = event.attempts > 1 ? ` after ${event.attempts} attempts` : ''
  switch (event.status) {
    case 'succeeded':
      return `ok ${time}${tries}${event.changed ? ', changed' : ''}`
    case 'skipped':
      return `skipped${event.reason ? `: ${event.reason}` : ''}`
    case 'unknown':
    case 'failed': {
      const word = event.tolerated
        ? 'failed, the run goes on,'
        : event.status === 'unknown'
          ? 'UNKNOWN'
          : 'FAILED'
      return `${word} ${time}${tries}${event.failure ? `: ${sentence(event.failure)}` : ''}`
    }
  }
}

const partEnd = (event: Extract<Event, { type: 'part-finished' }>) =>
  event.failure
    ? `FAILED in ${elapsed(event.durationMs)}: ${sentence(event.failure)}`
    : `ok in ${elapsed(event.durationMs)}${event.changed || event.movement === 'verify' ? '' : ', nothing to do'}`
