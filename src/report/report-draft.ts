/** Events -> report. Pure: the same events give the same report, on any machine and at any time. */
import type { Event, Facts, Outcome, StepSummary } from '../engine/events.ts'
import type { Failure } from '../failure.ts'
import { sentence } from '../wording/word.ts'
import { addHealth, addLook, addWatch, goBack, type Looks, noLooks, seenBy } from './observations.ts'
import type { Report, StepReport } from './report-schema.ts'
import { keepTail, type Tails, tailFor } from './tails.ts'

export type ReportHead = {
  runId: string
  playbook: string | null
  target: string | null
  dryRun: boolean
  startedAt: number
}

export type ReportDraft = {
  head: ReportHead
  facts: Facts
  looks: Looks
  steps: StepReport[]
  /** Null: of a step that may have changed the host nobody knows whether it did. */
  changed: boolean | null
  tails: Tails
  rollbackPerformed: boolean
  /** The way back has begun. */
  isGoingBack: boolean
  rollbackVerified: boolean | null
  notVerified: string[]
  rollbackErrors: string[]
  planHash: string | null
  end: Extract<Event, { type: 'run-finished' }> | null
}

export const emptyDraft = (head: ReportHead): ReportDraft => ({
  head,
  facts: {},
  looks: noLooks(),
  steps: [],
  changed: false,
  tails: { of: new Map(), kept: null },
  rollbackPerformed: false,
  isGoingBack: false,
  rollbackVerified: null,
  notVerified: [],
  rollbackErrors: [],
  planHash: null,
  end: null,
})

/** Folds one event in. The draft is the reducer's own and is changed in place: output may be millions of lines. */
export function addEvent(draft: ReportDraft, event: Event): void {
  switch (event.type) {
    case 'run-started':
      draft.steps = event.steps.map(notRun)
      Object.assign(draft.facts, ...event.steps.map(step => step.about))
      return
    case 'output':
      // What the way back says would push out what the failed step has said.
      if (!draft.isGoingBack) keepTail(draft.tails, event.id, event.line)
      return
    case 'step-started': {
      const step = draft.steps.find(s => s.id === event.id)
      if (!step) return
      // Until its end was seen.
      step.status = 'unknown'
      step.effect = event.effect
      step.attempts = event.attempt
      return
    }
    case 'step-finished':
      addStepEnd(draft, event)
      return
    case 'evidence':
      addEvidence(draft, event)
      return
    case 'observed': {
      const { watchedSeconds, ...others } = event.facts
      addWatch(draft.looks, watchedSeconds)
      Object.assign(draft.facts, others)
      return
    }
    case 'rollback-started':
      draft.isGoingBack = true
      draft.rollbackVerified = false
      draft.notVerified = []
      goBack(draft.looks)
      // What an earlier attempt left is this one's work.
      draft.rollbackErrors = []
      return
    case 'part-finished':
      addPartEnd(draft, event)
      return
    case 'rollback-finished':
      draft.rollbackVerified = event.verified
      draft.notVerified = event.notVerified
      draft.rollbackErrors.push(...event.remains.map(sentence))
      draft.changed = event.verified === null ? null : !event.verified
      return
    case 'saw':
      addLook(draft.looks, event)
      return
    case 'checked':
      if (event.failure) Object.assign(draft.facts, seenBy(event.failure))
      return
    case 'plan-hashed':
      draft.planHash = event.hash
      return
    case 'resumed':
      draft.end = null
      return
    case 'run-finished':
      draft.end = event
      if (NOTHING_CHANGED.has(event.outcome)) draft.changed ??= false
      return
    case 'snapshot-started':
    case 'snapshot-finished':
    case 'recorded':
    case 'command-started':
    case 'said':
    case 'probe':
    case 'confirmed':
    case 'step-retrying':
    case 'confirm-awaited':
    case 'interrupting':
    case 'part-started':
    case 'evidence-missing':
      return
  }
}

type Of<Type extends Event['type']> = Extract<Event, { type: Type }>

function addStepEnd(draft: ReportDraft, event: Of<'step-finished'>): void {
  Object.assign(draft.facts, event.facts, event.failure ? seenBy(event.failure) : {})
  draft.changed = changedWith(draft.changed, event)
  const step = draft.steps.find(s => s.id === event.id)
  if (!step) return
  step.status = event.status
  step.effect = event.effect
  step.attempts = Math.max(step.attempts, event.attempts)
  step.durationMs = Math.round(event.durationMs)
  step.changed = mayHaveActed(event) ? null : event.changed
  if (event.failure) {
    step.errorCode = event.failure.code
    step.error = sentence(event.failure)
  }
  if (event.tolerated) step.tolerated = true
}

function addEvidence(draft: ReportDraft, { id, evidence }: Of<'evidence'>): void {
  for (const { name, text, facts } of evidence) {
    keepTail(draft.tails, id, `--- ${name}\n${text.trimEnd()}`)
    // The step that failed has seen it closer, unless it has left its words to be read.
    const unread = draft.facts.failedService?.logsTail === ''
    if (facts) draft.facts = unread ? { ...draft.facts, ...facts } : { ...facts, ...draft.facts }
  }
  if (evidence.length > 0) draft.tails.kept = id
}

function addPartEnd(draft: ReportDraft, event: Of<'part-finished'>): void {
  const seen = { ...event.facts, ...(event.failure ? seenBy(event.failure) : {}) }
  const { healthz: _, readyz: __, failedService, ...others } = seen
  // The cause of the run's failure, and what its polls saw, stay those of the version that was deployed.
  const aside = [...(draft.facts.stateSetAside ?? []), ...(others.stateSetAside ?? [])]
  draft.facts = { ...(failedService ? { failedService } : {}), ...draft.facts, ...others }
  if (aside.length > 0) draft.facts.stateSetAside = aside.filter(isLast)
  addHealth(draft.looks, seen)
  if (event.changed) draft.rollbackPerformed = true
  if (event.failure) draft.rollbackErrors.push(`${event.movement} ${event.id}: ${sentence(event.failure)}`)
}

export function toReport(draft: ReportDraft, finishedAt: number | null): Report {
  const { head, facts, looks, end } = draft
  const outcome: Outcome = end?.outcome ?? 'unknown'
  const failure = end?.failure ?? null
  const failedStep = end?.failedStep ?? null
  return {
    schemaVersion: 1,
    runId: head.runId,
    playbook: head.playbook,
    target: head.target,
    success: successOf(outcome),
    outcome,
    changed: outcome === 'unknown' || outcome === 'started' ? null : draft.changed,
    dryRun: head.dryRun,
    ...alwaysTold(facts),
    healthAfterRollback: draft.isGoingBack ? (looks.health ?? { healthz: null, readyz: null }) : null,
    observations: [...looks.run.values()],
    rollbackObservations: [...looks.rollback.values()],
    rollbackPerformed: draft.rollbackPerformed,
    rollbackVerified: draft.rollbackVerified,
    notVerified: draft.notVerified,
    rollbackError: draft.rollbackErrors.length > 0 ? draft.rollbackErrors.join('; ') : null,
    approvalNeeded: missingApproval(failure),
    failedStep,
    errorCode: failure?.code ?? null,
    error: failure ? sentence(failure) : null,
    logsTail: failure ? tailFor(draft.tails, failedStep) : null,
    ...timesOf(head.startedAt, finishedAt),
    ...toldIfKnown(facts),
    ...(looks.watchedSeconds === null ? {} : { watchedSeconds: looks.watchedSeconds }),
    ...(draft.planHash === null ? {} : { planHash: draft.planHash }),
    steps: draft.steps,
  }
}

function missingApproval(failure: Failure | null): Report['approvalNeeded'] {
  if (failure?.code === 'approval-denied') return { via: 'confirm', id: failure.step, command: null }
  if (failure?.code !== 'approval-needed') return null
  return { via: 'openclaw', id: failure.id, command: failure.command }
}

const timesOf = (startedAt: number, finishedAt: number | null) => ({
  startedAt: new Date(startedAt).toISOString(),
  finishedAt: finishedAt === null ? null : new Date(finishedAt).toISOString(),
  durationMs: finishedAt === null ? 0 : Math.max(0, Math.round(finishedAt - startedAt)),
})

const ALWAYS_TOLD = [
  'repoPath',
  'composePath',
  'serviceName',
  'requestedRef',
  'beforeSha',
  'beforeBranch',
  'afterSha',
  'afterBranch',
  'dirtyRepo',
  'composeRebuilt',
  'healthz',
  'readyz',
] as const

/** What only some runs can know stands in their reports only. */
const TOLD_IF_KNOWN = [
  'rebuilt',
  'lost',
  'powersAdded',
  'leftBehind',
  'services',
  'pulled',
  'failedService',
  'downtimeSeconds',
  'downtime',
  'diskFreeBytes',
  'stateSetAside',
] as const

const alwaysTold = (facts: Facts) =>
  Object.fromEntries(ALWAYS_TOLD.map(name => [name, facts[name] ?? null])) as Pick<
    Report,
    (typeof ALWAYS_TOLD)[number]
  >

const toldIfKnown = (facts: Facts): Partial<Report> =>
  Object.fromEntries(TOLD_IF_KNOWN.flatMap(name => (facts[name] === undefined ? [] : [[name, facts[name]]])))

/** Of what is told of one folder, once more after a rollback that was cut off. */
const isLast = ({ keptAs }: { keptAs: string }, at: number, all: readonly { keptAs: string }[]) =>
  all.findLastIndex(each => each.keptAs === keptAs) === at

/** A step that may change the host and failed half-way was not looked at. */
function changedWith(before: boolean | null, event: Of<'step-finished'>): boolean | null {
  if (before === true || event.changed) return true
  return before === null || event.changed === null || mayHaveActed(event) ? null : false
}

const mayHaveActed = ({ effect, status }: Of<'step-finished'>) =>
  effect !== 'read' && effect !== 'fetch' && (status === 'failed' || status === 'unknown')

/** The engine has seen to it that nothing was begun, or that all is as before. */
const NOTHING_CHANGED: ReadonlySet<Outcome> = new Set(['failed-unchanged', 'refused', 'unreachable'])

function successOf(outcome: Outcome): boolean | null {
  switch (outcome) {
    case 'succeeded':
    case 'unchanged':
    case 'planned':
      return true
    case 'started':
    case 'unknown':
      return null
    case 'rolled-back':
    case 'failed-unchanged':
    case 'invalid':
    case 'refused':
    case 'unreachable':
    case 'rollback-failed':
    case 'failed-changed':
    case 'interrupted':
      return false
  }
}

const notRun = (step: StepSummary): StepReport => ({
  id: step.id,
  uses: step.uses,
  status: 'not-run',
  effect: step.effect,
  attempts: 0,
  durationMs: 0,
  ...(step.leftOut === undefined ? {} : { leftOut: step.leftOut }),
})
