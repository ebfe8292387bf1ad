/** Runs the engine on step kinds made by a test, with a host that is one plain object. */
import * as z from 'zod'
import type { Json } from '../../src/document/json.ts'
import type { Event } from '../../src/engine/events.ts'
import type { LockInput } from '../../src/engine/holder.ts'
import { makePlan } from '../../src/engine/make-plan.ts'
import type { Progress } from '../../src/engine/progress.ts'
import { runPlan, startRollback } from '../../src/engine/run.ts'
import type { Clock, JournalHandle, RunEnd, RunInput, StartedRun } from '../../src/engine/run-input.ts'
import { Failed, type Failure } from '../../src/failure.ts'
import type { Playbook, PlaybookStep, Template } from '../../src/playbook/playbook.ts'
import type { Effect, StepKind } from '../../src/steps/contract/step.ts'
import type { Transport } from '../../src/transport/transport.ts'

export type Host = { [name: string]: Json }

export const realClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  sleep: (ms, signal) =>
    new Promise(resolve => {
      if (signal.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal.addEventListener('abort', done, { once: true })
    }),
}

export const noTransport: Transport = {
  name: 'nowhere',
  startsOnce: true,
  exec: () => Promise.reject(new Error('no command was expected')),
  close: async () => {},
}

/** Sets one name of the host; can be told to fail half-way, to wait, or to have no way back. */
export function setKind(host: Host, calls: string[]): StepKind {
  const schema = z.strictObject({
    name: z.string(),
    to: z.union([z.string(), z.number()]),
    effect: z.enum(['read', 'fetch', 'write', 'disrupt', 'irreversible']).default('write'),
    fail: z.custom<Failure>().optional(),
    failTimes: z.number().default(Number.POSITIVE_INFINITY),
    restoreFails: z.boolean().default(false),
    restoreWaitMs: z.number().default(0),
    waitMs: z.number().default(0),
    evidence: z.string().optional(),
    /** What it touches, for `thingKind`. */
    thing: z.string().default(''),
    lock: z.string().optional(),
  })
  type Input = z.output<typeof schema>
  let failures = 0
  const kind: StepKind<Input, Json> = {
    uses: 'set',
    summary: 'sets a name',
    schema: () => schema,
    outputs: { value: 'string' },
    timeoutMs: 10_000,
    plan: {
      effect: input => input.effect as Effect,
      locks: input => (input.lock ? [input.lock] : []),
      commands: input => [{ argv: ['set', input.name, String(input.to)] }],
    },
    act: {
      async snapshot(_ctx, input) {
        calls.push(`snapshot ${input.name}`)
        return host[input.name] ?? null
      },
      async run(ctx, input) {
        calls.push(`run ${input.name}`)
        const changed = host[input.name] !== input.to
        if (input.effect !== 'read') host[input.name] = input.to
        if (input.waitMs > 0) await ctx.sleep(input.waitMs)
        if (input.fail && failures < input.failTimes) {
          failures += 1
          throw new Failed(input.fail)
        }
        return { changed: changed && input.effect !== 'read', outputs: { value: String(input.to) } }
      },
    },
    undo: {
      async restore(ctx, input, snapshot) {
        calls.push(`restore ${input.name}`)
        if (input.restoreWaitMs > 0) await ctx.sleep(input.restoreWaitMs)
        if (input.restoreFails)
          throw new Failed({ code: 'not-restored', step: input.name, problem: 'it is stuck' })
        const changed = (host[input.name] ?? null) !== snapshot
        host[input.name] = snapshot
        return { changed }
      },
      async reactivate(_ctx, input) {
        calls.push(`reactivate ${input.name}`)
        return { changed: false }
      },
      async verify(ctx, input, snapshot) {
        calls.push(`verify ${input.name}`)
        const now = host[input.name] ?? null
        ctx.saw({ what: 'state', target: input.name, saw: String(now), ok: now === snapshot })
        if ((host[input.name] ?? null) !== snapshot) {
          throw new Failed({
            code: 'head-differs',
            repo: input.name,
            expected: String(snapshot),
            actual: '?',
          })
        }
        return { changed: false }
      },
    },
    look: {
      async evidence(_ctx, input) {
        calls.push(`evidence ${input.name}`)
        return input.evidence ? [{ name: input.name, text: input.evidence }] : []
      },
    },
  }
  return kind as StepKind
}

/** Says what it touches. */
export function thingKind(host: Host, calls: string[]): StepKind {
  const kind = setKind(host, calls)
  return { ...kind, plan: { ...kind.plan, touches: input => [(input as { thing: string }).thing] } }
}

export type Scenario = {
  steps: (Partial<Omit<PlaybookStep, 'with'>> & { id: string; with: { [key: string]: unknown } })[]
  inputs?: Playbook['inputs']
  values?: { [name: string]: Json }
  onFailure?: Template
  timeoutMs?: number
  rollbackTimeoutMs?: number
  kind?: (host: Host, calls: string[]) => StepKind
  host?: Host
  transport?: Transport
  clock?: Clock
  lock?: LockInput
  recovered?: Progress
  assume?: 'done' | 'not-done'
  takeBack?: boolean
  record?: JournalHandle
  onEvent?: (event: Event, running: StartedRun, host: Host) => void
}

export type Played = { end: RunEnd; host: Host; calls: string[]; events: Event[] }

export async function play(scenario: Scenario): Promise<Played> {
  const host: Host = { ...scenario.host }
  const calls: string[] = []
  const kind = (scenario.kind ?? setKind)(host, calls)
  const playbook: Playbook = {
    file: 'test.yaml',
    digest: '0'.repeat(64),
    text: '',
    name: 'test',
    inputs: scenario.inputs ?? {},
    env: [],
    onFailure: scenario.onFailure ?? 'rollback',
    timeoutMs: scenario.timeoutMs ?? 60_000,
    rollbackTimeoutMs: scenario.rollbackTimeoutMs ?? 60_000,
    steps: scenario.steps.map(step => ({ continueOnError: false, env: {}, kind, ...step }) as PlaybookStep),
  }
  const inputs = scenario.values ?? {}
  const planned = makePlan({ playbook, inputs, env: {}, target: 'local' })
  if (!planned.ok) throw new Failed(planned.failure)
  const events: Event[] = []
  let running: StartedRun | null = null
  const input: RunInput = {
    runId: '20261120T180900Z-000000',
    plan: planned.plan,
    playbook,
    kinds: { [kind.uses]: kind },
    inputs,
    env: {},
    transport: scenario.transport ?? noTransport,
    lock: scenario.lock,
    clock: scenario.clock ?? realClock,
    recovered: scenario.recovered,
    assume: scenario.assume,
    record: scenario.record,
    emit(event) {
      events.push(event)
      scenario.onEvent?.(event, running!, host)
    },
  }
  running = (scenario.takeBack ? startRollback : runPlan)(input)
  return { end: await running.ended, host, calls, events }
}
