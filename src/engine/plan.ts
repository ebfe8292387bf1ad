/** Playbook + inputs + target -> a plan: plain JSON that can be printed, hashed, stored and sent. */

import { createHash } from 'node:crypto'
import type { Json } from '../document/json.ts'
import type { Expression, Retry, Template } from '../playbook/playbook.ts'
import type { Effect, Facts, PlannedCommand } from '../steps/contract/step.ts'
import type { Caller, Event } from './events.ts'

export type PlannedStep = {
  id: string
  name: string
  uses: string
  /** `$expr` and `$text` nodes are left where a value depends on other steps, the run's id or a secret. */
  with: { [key: string]: Template }
  env: { [name: string]: Template }
  cwd: Template
  /** Null: always. A boolean where the inputs already decide. */
  when: Expression | boolean | null
  /** Null while it depends on values that are not known yet. */
  effect: Effect | null
  about: Facts
  commands: PlannedCommand[]
  undo: PlannedCommand[]
  /** Absent where the playbook gives none, and in plans of older versions. */
  verify?: PlannedCommand[]
  /** Acts that the kind skips on this target, because its system has no way to do them. Absent: none. */
  leftOut?: string[]
  timeoutMs: number
  /** Where its input ends it sooner. */
  limitMs?: number
  retry: Retry
  continueOnError: boolean
}

export type Plan = {
  hostops: 1
  playbook: string
  playbookDigest: string
  target: string
  /** Without the values of secrets. */
  inputs: { [name: string]: Json }
  env: string[]
  onFailure: 'rollback' | 'stop'
  timeoutMs: number
  rollbackTimeoutMs: number
  steps: PlannedStep[]
}

/** How every run, check and dry run of a plan begins. */
export const startEvent = ({ runId, plan, caller }: Started): Event => ({
  type: 'run-started',
  runId,
  playbook: plan.playbook,
  playbookDigest: plan.playbookDigest,
  planHash: planHash(planText(plan)),
  target: plan.target,
  caller: caller ?? null,
  steps: plan.steps.map(({ id, name, uses, effect, about, leftOut }, at) => ({
    ...{ id, name, uses, effect, about },
    ...(leftOut === undefined ? {} : { leftOut }),
    log: logName(at + 1, id),
  })),
})

type Started = { runId: string; plan: Plan; caller?: Caller | undefined }

/** As it is kept in plan.json. */
export const planText = (plan: Plan): string => `${JSON.stringify(plan)}\n`

/** So that a run is never resumed with another plan than the one that it began with. */
export const planHash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 20)

/** `number`: of the step, from 1. */
export const logName = (number: number, id: string): string =>
  `${String(number).padStart(3, '0')}-${id.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 100)}.ndjson`

/** For people, who may look for what other targets do. */
export const leftOutWarnings = ({ steps }: Plan): { id: string; text: string }[] =>
  steps.flatMap(({ id, leftOut = [] }) => leftOut.map(text => ({ id, text: `not on this target: ${text}` })))

/** What a person should have read before a step runs. */
export const warningEvents = (warnings: readonly { id: string; text: string }[] = []): Event[] =>
  warnings.map(({ id, text }) => ({ type: 'checked', id, text, seen: null, failure: null }))
