/** Events -> report. Pure: the same events give the same report, on any machine and at any time. */
import type { Event, Facts, Outcome, StepSummary } from '../engine/events.ts'
import type { Failure } from '../failure.ts'
import { sentence } from '../wording/word.ts'
import type { Report, StepReport } from './schema.ts'

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
  steps: StepReport[]
  changed: boolean
  tailOf: string | null
  tails: Map<string, string[]>
  rollbackPerformed: boolean
  rollbackVerified: boolean | null
  rollbackErrors: string[]
  planHash: string | null
  end: Extract<Event, { type: 'run-finished' }> | null
}

const TAIL_LINES = 40
const TAIL_CHARACTERS = 8000

export const emptyDraft = (head: ReportHead): ReportDraft => ({
  head,
  facts: {},
  steps: [],
  changed: false,
  tailOf: null,
  tails: new Map(),
  rollbackPerformed: false,
  rollbackVerified: null,
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
      if (draft.rollbackVerified === null) keepTail(draft, event.id, event.line)
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
    case 'step-finished': {
      Object.assign(draft.facts, event.facts)
      if (event.changed) draft.changed = true
      const step = draft.steps.find(s => s.id === event.id)
      if (!step) return
      step.status = event.status
      step.effect = event.effect
      step.attempts = Math.max(step.attempts, event.attempts)
      step.durationMs = Math.round(event.durationMs)
      step.changed = event.changed
      if (event.failure) {
        step.errorCode = event.failure.code
        step.error = sentence(event.failure)
        Object.assign(draft.facts, seenBy(event.failure))
      }
      if (event.tolerated) step.tolerated = true
      return
    }
    case 'evidence':
      for (const { name, text, facts } of event.evidence) {
        keepTail(draft, event.id, `--- ${name}\n${text.trimEnd()}`)
        // The step that failed has seen it closer.
        if (facts) draft.facts = { ...facts, ...draft.facts }
      }
      if (event.evidence.length > 0) draft.tailOf = event.id
      return
    case 'observed':
      draft.facts = { ...draft.facts, ...event.facts }
      return
    case 'rollback-started':
      draft.rollbackVerified = false
      // What an earlier attempt left is this one's work.
      draft.rollbackErrors = []
      return
    case 'part-finished':
      Object.assign(draft.facts, event.facts)
      if (event.changed) draft.rollbackPerformed = true
      if (event.failure) {
        const { failedService, ...seen } = seenBy(event.failure)
        // The cause of the run's failure, not of its rollback's.
        draft.facts = { ...(failedService ? { failedService } : {}), ...draft.facts, ...seen }
        draft.rollbackErrors.push(`${event.movement} ${event.id}: ${sentence(event.failure)}`)
      }
      return
    case 'rollback-finished':
      draft.rollbackVerified = event.verified
      draft.rollbackErrors.push(...event.remains.map(sentence))
      if (event.verified) draft.changed = false
      return
    case 'plan-hashed':
      draft.planHash = event.hash
      return
    case 'resumed':
      draft.end = null
      return
    case 'run-finished':
      draft.end = event
      return
    case 'snapshot-started':
    case 'snapshot-finished':
    case 'recorded':
    case 'command-started':
    case 'said':
    case 'saw':
    case 'step-retrying':
    case 'confirm-awaited':
    case 'checked':
    case 'interrupting':
    case 'part-started':
    case 'evidence-missing':
      return
  }
}

export function toReport(draft: ReportDraft, finishedAt: number | null): Report {
  const { head, facts, end } = draft
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
    repoPath: facts.repoPath ?? null,
    composePath: facts.composePath ?? null,
    serviceName: facts.serviceName ?? null,
    requestedRef: facts.requestedRef ?? null,
    beforeSha: facts.beforeSha ?? null,
    beforeBranch: facts.beforeBranch ?? null,
    afterSha: facts.afterSha ?? null,
    afterBranch: facts.afterBranch ?? null,
    dirtyRepo: facts.dirtyRepo ?? null,
    composeRebuilt: facts.composeRebuilt ?? null,
    healthz: facts.healthz ?? null,
    readyz: facts.readyz ?? null,
    rollbackPerformed: draft.rollbackPerformed,
    rollbackVerified: draft.rollbackVerified,
    rollbackError: draft.rollbackErrors.length > 0 ? draft.rollbackErrors.join('; ') : null,
    approvalNeeded: failure?.code === 'approval-denied' ? failure.step : null,
    failedStep,
    errorCode: failure?.code ?? null,
    error: failure ? sentence(failure) : null,
    logsTail: failure ? tailFor(draft, failedStep) : null,
    startedAt: new Date(head.startedAt).toISOString(),
    finishedAt: finishedAt === null ? null : new Date(finishedAt).toISOString(),
    durationMs: finishedAt === null ? 0 : Math.max(0, Math.round(finishedAt - head.startedAt)),
    ...observed(facts),
    ...(draft.planHash === null ? {} : { planHash: draft.planHash }),
    steps: draft.steps,
  }
}

/** What only some runs can know stands in their reports only. */
function observed(facts: Facts): Partial<Report> {
  const { services, failedService, downtimeSeconds, diskFreeBytes, lost, leftBehind, rebuilt } = facts
  return {
    ...(rebuilt === undefined ? {} : { rebuilt }),
    ...(lost === undefined ? {} : { lost }),
    ...(leftBehind === undefined ? {} : { leftBehind }),
    ...(services === undefined ? {} : { services }),
    ...(failedService === undefined ? {} : { failedService }),
    ...(downtimeSeconds === undefined ? {} : { downtimeSeconds }),
    ...(diskFreeBytes === undefined ? {} : { diskFreeBytes }),
  }
}

/** A step that failed has seen something too: the tree that is dirty, which of the two endpoints is the bad one. */
function seenBy(failure: Failure): Facts {
  if (failure.code === 'dirty-tree') return { dirtyRepo: true, repoPath: failure.repo }
  if (failure.code === 'not-stable') {
    const { failedService } = failure
    return failedService === undefined ? {} : { failedService }
  }
  if (failure.code !== 'unhealthy') return {}
  const good = (end: string) => {
    const probes = failure.probes.filter(probe => new URL(probe.url).pathname.endsWith(end))
    return probes.length === 0 ? null : probes.every(probe => probe.ok)
  }
  const [healthz, readyz] = [good('/healthz'), good('/readyz')]
  return { ...(healthz === null ? {} : { healthz }), ...(readyz === null ? {} : { readyz }) }
}

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
})

function keepTail(draft: ReportDraft, id: string, text: string): void {
  const lines = draft.tails.get(id) ?? []
  lines.push(...text.split('\n'))
  if (lines.length > TAIL_LINES * 2) lines.splice(0, lines.length - TAIL_LINES)
  draft.tails.set(id, lines)
}

function tailFor(draft: ReportDraft, failedStep: string | null): string | null {
  const lines = [failedStep, draft.tailOf]
    .filter((id, at, all) => id !== null && all.indexOf(id) === at)
    .flatMap(id => (draft.tails.get(id!) ?? []).slice(-TAIL_LINES))
  if (lines.length === 0) return null
  const text = lines.join('\n')
  return text.length > TAIL_CHARACTERS ? text.slice(-TAIL_CHARACTERS) : text
}
