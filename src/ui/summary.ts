/** The last words of a run: how it ended, why, what changed, what remains, what to type next. */
import type { Event, Outcome } from '../engine/events.ts'
import type { FailedService, Failure } from '../failure.ts'
import { printable } from '../wording/printable.ts'
import { word } from '../wording/word.ts'
import { wrap } from './text.ts'
import { type Sight, verdict } from './verdict.ts'
import { elapsed } from './words.ts'

type Summary = {
  add(event: Event): void
  lines(more: SummaryEnd): string[]
}

/** `columns`: null where lines are not for a terminal and stay whole. */
type SummaryEnd = {
  runId: string
  durationMs: number
  stored: boolean
  columns: number | null
  /** What was seen, as the report says; absent: nothing is known of it. */
  sight?: Sight
  /** How a command names the host of the run, like ` --target hostlink`; absent for this machine. */
  at?: string
}

export function makeSummary(): Summary {
  const seen: Seen = {
    changed: [],
    undone: [],
    undoneSteps: [],
    failed: [],
    isStuck: false,
    remains: [],
    findings: [],
    tail: new Map(),
    service: null,
    goingBack: false,
    stopsAt: null,
    hash: null,
    verified: null,
    end: null,
  }
  return { add: event => note(seen, event), lines: more => (seen.end ? tell(seen, seen.end, more) : []) }
}

type End = { outcome: Outcome; failedStep: string | null; failure: Failure | null }
type Seen = {
  changed: string[]
  undone: string[]
  undoneSteps: string[]
  /** What of the way back failed, in few words. */
  failed: string[]
  /** All that remains has no undo, so that nothing is gained by another rollback. */
  isStuck: boolean
  remains: string[]
  findings: string[]
  tail: Map<string, string[]>
  /** That did not stand, with its own last lines. */
  service: FailedService | null
  goingBack: boolean
  /** What the way back does not go past. */
  stopsAt: string | null
  hash: string | null
  verified: boolean | null
  end: End | null
}

const TAIL_LINES = 10
const INDENT = 11
const MOST_ROWS = 12
/** Below it a label has a line of its own. */
const NARROW = 40
const NARROW_INDENT = 4
const LEAST_ROOM = 10

function note(seen: Seen, event: Event): void {
  switch (event.type) {
    case 'output':
      // What the way back says would push out what the failed step has said.
      if (!seen.goingBack) keepLine(seen.tail, event)
      return
    case 'step-finished':
      if (event.changed) seen.changed.push(event.id)
      if (event.failure?.code === 'not-stable') seen.service ??= event.failure.failedService ?? null
      return
    case 'evidence':
      for (const { facts } of event.evidence)
        if (!seen.service?.logsTail) seen.service = facts?.failedService ?? seen.service
      return
    case 'rollback-started':
      seen.goingBack = true
      seen.stopsAt = event.stopsAt
      return
    case 'part-finished':
      notePart(seen, event)
      return
    case 'rollback-finished':
      noteWayBack(seen, event)
      return
    case 'plan-hashed':
      seen.hash = event.hash
      return
    case 'run-finished':
      seen.end = event
      return
    default:
      return
  }
}

type Of<Type extends Event['type']> = Extract<Event, { type: Type }>

function keepLine(tails: Seen['tail'], { id, line }: Of<'output'>): void {
  const lines = tails.get(id) ?? []
  lines.push(line)
  if (lines.length > TAIL_LINES) lines.shift()
  tails.set(id, lines)
}

function notePart(seen: Seen, { movement, id, failure, changed }: Of<'part-finished'>): void {
  const part = `${movement} ${id}`
  if (movement !== 'verify') seen.undoneSteps.push(id)
  if (failure) {
    seen.failed.push(part)
    seen.remains.push(`${part}: ${word(failure).message}`)
  } else if (changed && movement !== 'verify') seen.undone.push(part)
}

function noteWayBack(seen: Seen, { remains, verified }: Of<'rollback-finished'>): void {
  seen.remains.push(...remains.map(failure => word(failure).message))
  seen.isStuck = seen.failed.length === 0 && remains.some(({ code }) => code === 'no-way-back')
  seen.failed.push(...remains.flatMap(failure => ('step' in failure ? [left(failure)] : [])))
  seen.verified = verified
}

function left(failure: Failure & { step: string | null }): string {
  switch (failure.code) {
    case 'no-way-back':
      return `${failure.step} has no undo`
    case 'irreversible':
      return `${failure.step} cannot be undone`
    default:
      return `${failure.step} was not done`
  }
}

/** Where the host is left as it should not be, and nothing else says how to take it back. */
function wayBack(
  { stopsAt, isStuck }: Seen,
  { outcome, failure }: End,
  { runId, at = '' }: SummaryEnd,
): string | null {
  if (outcome !== 'rollback-failed' && outcome !== 'failed-changed') return null
  return stopsAt !== null || isStuck || failure?.code === 'half-way'
    ? null
    : `hostops rollback ${runId}${at}   takes back what is left of it`
}

function tell(seen: Seen, end: End, more: SummaryEnd): string[] {
  const { columns } = more
  const isDone = end.outcome === 'rolled-back' || end.outcome === 'failed-unchanged'
  const isAsked = isDone && end.failure?.code === 'taken-back'
  const way = { isAsked, undone: seen.undoneSteps, failed: seen.failed, changed: seen.changed }
  const first = `${printable(verdict(end.outcome, more.sight ?? {}, way))} (${elapsed(more.durationMs)})`
  const worded = end.failure && !isAsked ? word(end.failure, more.at) : null
  const isStillChanged = !seen.goingBack || seen.verified === false
  const hints = [worded?.hint, more.stored ? wayBack(seen, end, more) : null]
  const plan = seen.hash === null ? [] : [`${seen.hash} (to run just this: --plan ${seen.hash})`]
  const paragraphs: Paragraph[] = [
    ...(worded ? causeOf(seen, end, worded.message) : []),
    ...(seen.service ? [logsOf(seen.service)] : []),
    ...(end.outcome === 'planned'
      ? []
      : [
          { label: 'changed', texts: isStillChanged ? seen.changed : [] },
          { label: 'undone', texts: seen.undone },
        ]),
    { label: 'remains', texts: seen.remains },
    { label: 'hint', texts: hints.filter(hint => hint != null) },
    { label: 'plan', texts: plan },
    { label: 'run', texts: more.stored ? [more.runId] : [] },
  ]
  return [...fitted(first, columns, 0), ...paragraphs.flatMap(paragraph => labelled(paragraph, columns))]
}

type Paragraph = { label: string; texts: readonly string[] }

function causeOf(seen: Seen, { failedStep }: End, message: string): Paragraph[] {
  const where = failedStep === null ? '' : `${failedStep}: `
  return [
    { label: 'error', texts: [`${where}${message}`.replace(/\s+/g, ' ')] },
    { label: 'output', texts: failedStep === null ? [] : (seen.tail.get(failedStep) ?? []) },
  ]
}

function logsOf(service: FailedService): Paragraph {
  const words = service.logsTail.split('\n').filter(Boolean)
  const texts = words.length > 0 ? [`of ${service.container}:`, ...words.slice(-TAIL_LINES)] : []
  return { label: 'logs', texts }
}

function labelled({ label, texts }: Paragraph, columns: number | null): string[] {
  const isNarrow = columns !== null && columns < NARROW
  const indent = isNarrow ? NARROW_INDENT : INDENT
  const rows = texts.flatMap(text => fitted(printable(text), columns, indent))
  if (rows.length === 0) return []
  if (isNarrow) return [`  ${label}`, ...rows.map(row => `${' '.repeat(indent)}${row}`)]
  return rows.map((row, at) => `${(at === 0 ? `  ${label}` : '').padEnd(indent)}${row}`)
}

const fitted = (text: string, columns: number | null, taken: number): string[] =>
  columns === null ? [text] : wrap(text, Math.max(LEAST_ROOM, columns - taken - 1), MOST_ROWS)
