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
    case 'output': {
      // What the way back says would push out what the failed step has said.
      if (seen.goingBack) return
      const lines = seen.tail.get(event.id) ?? []
      lines.push(event.line)
      if (lines.length > TAIL_LINES) lines.shift()
      seen.tail.set(event.id, lines)
      return
    }
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
      if (event.movement !== 'verify') seen.undoneSteps.push(event.id)
      if (event.failure) seen.failed.push(`${event.movement} ${event.id}`)
      if (event.failure) seen.remains.push(`${event.movement} ${event.id}: ${word(event.failure).message}`)
      else if (event.changed && event.movement !== 'verify') seen.undone.push(`${event.movement} ${event.id}`)
      return
    case 'rollback-finished':
      seen.remains.push(...event.remains.map(failure => word(failure).message))
      seen.isStuck = seen.failed.length === 0 && event.remains.some(({ code }) => code === 'no-way-back')
      seen.failed.push(...event.remains.flatMap(failure => ('step' in failure ? [left(failure)] : [])))
      seen.verified = event.verified
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
  const isDone = end.outcome === 'rolled-back' || end.outcome === 'failed-unchanged'
  const isAsked = isDone && end.failure?.code === 'taken-back'
  const worded = end.failure && !isAsked ? word(end.failure, more.at) : null
  const where = end.failedStep === null ? '' : `${end.failedStep}: `
  const isNarrow = more.columns !== null && more.columns < NARROW
  const indent = isNarrow ? NARROW_INDENT : INDENT
  const fitted = (text: string, taken: number) =>
    more.columns === null ? [text] : wrap(text, Math.max(LEAST_ROOM, more.columns - taken - 1), MOST_ROWS)
  const way = { isAsked, undone: seen.undoneSteps, failed: seen.failed, changed: seen.changed }
  const first = printable(verdict(end.outcome, more.sight ?? {}, way))
  const lines = fitted(`${first} (${elapsed(more.durationMs)})`, 0)
  const add = (label: string, texts: readonly string[]) => {
    const rows = texts.flatMap(text => fitted(printable(text), indent))
    if (isNarrow && rows.length > 0) lines.push(`  ${label}`)
    rows.forEach((row, at) => {
      lines.push(`${(at === 0 && !isNarrow ? `  ${label}` : '').padEnd(indent)}${row}`)
    })
  }
  if (worded) add('error', [`${where}${worded.message}`.replace(/\s+/g, ' ')])
  if (end.failedStep !== null && !isAsked) add('output', seen.tail.get(end.failedStep) ?? [])
  const words = seen.service?.logsTail.split('\n').filter(Boolean) ?? []
  if (seen.service)
    add('logs', words.length > 0 ? [`of ${seen.service.container}:`, ...words.slice(-TAIL_LINES)] : [])
  if (end.outcome !== 'planned') {
    if (!seen.goingBack || seen.verified === false) add('changed', seen.changed)
    add('undone', seen.undone)
  }
  add('remains', seen.remains)
  add(
    'hint',
    [worded?.hint ?? null, more.stored ? wayBack(seen, end, more) : null].filter(hint => hint !== null),
  )
  if (seen.hash !== null) add('plan', [`${seen.hash} (to run just this: --plan ${seen.hash})`])
  if (more.stored) add('run', [more.runId])
  return lines
}
