/** Playbook + inputs + target -> plan. Pure: contacts nothing, and shows what it cannot know as unknown. */

import type { Json } from '../document/json.ts'
import { Failed, type Failure } from '../failure.ts'
import type { Scope } from '../playbook/expression.ts'
import type { Playbook, PlaybookStep, Retry, Template } from '../playbook/playbook.ts'
import { resolveTemplate } from '../playbook/resolve.ts'
import { expressionsOf, hasExpressions } from '../playbook/template.ts'
import type { Effect, Facts, PlannedCommand } from '../steps/contract/step.ts'
import { limitsWithoutShell, type ShellLimits } from '../steps/without-shell.ts'
import type { Plan, PlannedStep } from './plan.ts'
import { scopeOf } from './scope.ts'

type PlanInput = {
  playbook: Playbook
  inputs: { [name: string]: Json }
  env: { [name: string]: string }
  target: string
  rollbackOnFailure?: boolean | undefined
  allowDirty?: boolean | undefined
  timeoutMs?: number | undefined
  /** Whether the target has a POSIX shell. Default: it has. */
  hasShell?: boolean | undefined
}

export type Planned = { ok: true; plan: Plan } | { ok: false; failure: Failure }

const NO_RETRY: Retry = { attempts: 1, delayMs: 1000, backoff: 2, maxDelayMs: 60_000 }
const MASK = '***'
const NO_LIMITS: ShellLimits = { refused: null, leftOut: [] }

export function makePlan(input: PlanInput): Planned {
  try {
    return planned(input)
  } catch (error) {
    if (error instanceof Failed) return { ok: false, failure: error.failure }
    throw error
  }
}

function planned(input: PlanInput): Planned {
  const { playbook } = input
  const scopes = makeScopes(input)
  const steps: PlannedStep[] = []
  const problems: string[] = []
  for (const step of playbook.steps) {
    const planned = planStep(input, step, scopes)
    steps.push(planned.step)
    problems.push(...planned.problems)
  }
  const onFailure = resolveTemplate(playbook.onFailure, scopes.known, 'onFailure')
  if (onFailure !== 'rollback' && onFailure !== 'stop') {
    problems.push(`onFailure: is ${JSON.stringify(onFailure)}, must be "rollback" or "stop"`)
  }
  if (problems.length > 0) {
    return { ok: false, failure: { code: 'step-input-invalid', step: playbook.name, problems } }
  }
  return {
    ok: true,
    plan: {
      hostops: 1,
      playbook: playbook.name,
      playbookDigest: playbook.digest,
      target: input.target,
      inputs: scopes.known.inputs,
      env: playbook.env,
      onFailure: input.rollbackOnFailure === false ? 'stop' : (onFailure as Plan['onFailure']),
      timeoutMs: input.timeoutMs ?? playbook.timeoutMs,
      rollbackTimeoutMs: playbook.rollbackTimeoutMs,
      steps,
    },
  }
}

type Scopes = {
  /** What may be written into a plan: everything but secrets. */
  known: Scope
  /** With masks for secrets, so that a plan can show commands that take one; the same where there are none. */
  shown: Scope
}

function makeScopes(input: PlanInput): Scopes {
  const isSecret = (name: string) => input.playbook.inputs[name]?.type === 'secret'
  const entries = Object.entries(input.inputs)
  const open = Object.fromEntries(entries.filter(([name]) => !isSecret(name)))
  const masked = Object.fromEntries(
    entries.map(([name, value]) => [name, isSecret(name) && value !== null ? MASK : value]),
  )
  const known = scopeOf(input.playbook, {
    env: input.env,
    run: { target: input.target },
    inputs: open,
    steps: {},
  })
  const hasSecrets = entries.some(([name]) => isSecret(name))
  return { known, shown: hasSecrets ? { ...known, inputs: masked } : known }
}

function planStep(
  input: PlanInput,
  step: PlaybookStep,
  scopes: Scopes,
): { step: PlannedStep; problems: string[] } {
  const given = overridden(input, step)
  const where = `${step.id}: with`
  const open = resolveTemplate(given, scopes.known, where)
  const seen = look(step, scopes.shown === scopes.known ? open : resolveTemplate(given, scopes.shown, where))
  const when = step.when === undefined ? null : resolveTemplate(step.when, scopes.known, `${step.id}: when`)
  const { refused, leftOut } = input.hasShell === false ? limitsWithoutShell(step.kind.uses, open) : NO_LIMITS
  const planned: PlannedStep = {
    id: step.id,
    name: step.name ?? step.id,
    uses: step.kind.uses,
    with: open as PlannedStep['with'],
    env: resolveTemplate(step.env, scopes.known, `${step.id}: env`) as PlannedStep['env'],
    cwd: resolveTemplate(step.cwd ?? null, scopes.known, `${step.id}: cwd`),
    when: when as PlannedStep['when'],
    effect: seen.effect,
    about: seen.about,
    commands: seen.commands,
    undo: seen.undo,
    ...(seen.verify.length === 0 ? {} : { verify: seen.verify }),
    ...(leftOut.length === 0 ? {} : { leftOut: [...leftOut] }),
    timeoutMs: step.timeoutMs ?? step.kind.timeoutMs,
    ...(seen.limitMs === undefined ? {} : { limitMs: seen.limitMs }),
    retry: step.retry ?? NO_RETRY,
    continueOnError: step.continueOnError,
  }
  // What is certainly skipped may lack the very input that its condition asks for.
  const problems = when === false ? [] : [...seen.problems, ...(refused === null ? [] : [refused])]
  return { step: planned, problems: problems.map(problem => `${step.id}: ${problem}`) }
}

/** `--allow-dirty` is the caller's word over every dirty check of the playbook. */
const overridden = (input: PlanInput, step: PlaybookStep): PlaybookStep['with'] =>
  input.allowDirty && step.kind.uses === 'git.dirty-check' ? { ...step.with, allow: true } : step.with

type Look = {
  effect: Effect | null
  about: Facts
  commands: PlannedCommand[]
  undo: PlannedCommand[]
  verify: PlannedCommand[]
  limitMs?: number | undefined
  problems: string[]
}

function look(step: PlaybookStep, given: Template): Look {
  if (hasExpressions(given)) {
    const unknown = `needs ${expressionsOf(given).join(', ')}`
    return {
      effect: null,
      about: {},
      commands: [{ argv: [{ unknown }] }],
      undo: [],
      verify: [],
      problems: [],
    }
  }
  const parsed = step.kind.schema().safeParse(given)
  if (!parsed.success) {
    const problems = parsed.error.issues.map(issue => `${issue.path.join('.') || 'with'}: ${issue.message}`)
    return { effect: null, about: {}, commands: [], undo: [], verify: [], problems }
  }
  return {
    effect: step.kind.plan.effect(parsed.data),
    about: step.kind.plan.about?.(parsed.data) ?? {},
    commands: step.kind.plan.commands(parsed.data),
    undo: step.kind.plan.undoCommands?.(parsed.data) ?? [],
    verify: step.kind.plan.verifyCommands?.(parsed.data) ?? [],
    limitMs: step.kind.plan.limitMs?.(parsed.data),
    problems: [],
  }
}
