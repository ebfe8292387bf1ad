import * as z from 'zod'
import type { Json } from '../../document/json.ts'
import { durationSchema, timeLimitSchema } from '../../duration.ts'
import { once } from '../contract/once.ts'
import { forField, longestFor, msOf, oldForField, stand } from '../contract/standing.ts'
import type { StepContext, StepKind, StepResult } from '../contract/step.ts'
import { composeArgv, SERVICE, servicesField, stackFacts, stackFields, stackLock } from './compose.ts'
import { survivingEngine } from './engine-away.ts'
import { stackEvidence } from './evidence.ts'
import { type Project, readProject } from './project.ts'
import { containersOf, runningStack } from './running-stack.ts'
import { sawReplicas } from './seen.ts'
import type { Expected } from './stability.ts'
import { awaitedSign, maxRestartsField } from './standing-stack.ts'

const schema = once(() =>
  z.strictObject({
    ...stackFields(),
    services: servicesField(),
    timeout: timeLimitSchema()
      .default('120s')
      .describe('How long every replica may take until it runs and is healthy.'),
    for: forField(),
    minHealthy: oldForField(),
    maxRestarts: maxRestartsField(),
    interval: durationSchema().default('1s').describe('Longest pause between two looks.'),
    oneShot: z
      .array(z.string().regex(SERVICE, 'the name of a service'))
      .default([])
      .describe(
        'Services that are meant to end, with exit code 0. Those that others depend on with service_completed_successfully are known.',
      ),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

/**
 * The services that had containers before the first change, as the compose file had them: a rollback owes those, and no
 * others, and nothing to files that may be gone by then.
 */
type Snapshot = { project: string; there: Expected[] }

export const composeWait: StepKind<With, Snapshot> = {
  uses: 'compose.wait',
  summary:
    'Waits until every replica has run for a while, healthy and without a restart. Exit codes are not believed.',
  schema,
  outputs: { containers: 'list', durationMs: 'int' },
  timeoutMs: 60 * 60_000,
  plan: {
    effect: () => 'read',
    limitMs: input => msOf(input.timeout)! + longestFor([{ forMs: forMsOf(input) }]),
    stands: true,
    about: stackFacts,
    locks: input => [stackLock(input)],
    commands: input => [
      { argv: composeArgv(input, ['config', '--format', 'json']), cwd: input.dir },
      { argv: ['docker', 'inspect', { unknown: 'the containers that there are then' }] },
    ],
  },
  act: {
    async snapshot(ctx, input) {
      const stack = await runningStack(ctx, input, input.services)
      const project = await readProject(ctx, stack, input.services)
      const now = await containersOf(ctx, input, project.name)
      const there = expectedOf(input, project).filter(({ name }) => now.some(each => each.service === name))
      return { project: project.name, there }
    },
    run: survivingEngine((ctx, input) => gateNow(ctx, input, false)),
  },
  undo: {
    verify: survivingEngine(async (ctx, input, before) => {
      if (before === null) return gateNow(ctx, input, true)
      if (before.there.length === 0) return { changed: false }
      return gate(ctx, input, { project: before.project, expected: before.there, alone: true })
    }),
  },
  look: {
    evidence: stackEvidence,
  },
}

const expectedOf = (input: With, project: Project): Expected[] =>
  project.services.map(({ name, replicas, oneShot }) => {
    return { name, replicas, oneShot: oneShot || input.oneShot.includes(name) }
  })

const forMsOf = (input: With) => msOf(input.for ?? input.minHealthy)

async function gateNow(ctx: StepContext, input: With, alone: boolean): Promise<StepResult> {
  const stack = await runningStack(ctx, input, input.services)
  const project = await readProject(ctx, stack, input.services)
  return gate(ctx, input, { project: project.name, expected: expectedOf(input, project), alone })
}

type Awaited = { project: string; expected: readonly Expected[]; alone: boolean }

/** `alone`: the old version has stood before; that it runs again has to be seen, and not the whole window. */
async function gate(
  ctx: StepContext,
  input: With,
  { project, expected, alone }: Awaited,
): Promise<StepResult> {
  const forMs = alone ? Math.min(longestFor([{ forMs: forMsOf(input) }]), BACK_MS) : forMsOf(input)
  const { maxRestarts } = input
  const sign = awaitedSign({ stack: input, project, forMs, maxRestarts }, expected)
  const waiting = { timeoutMs: msOf(input.timeout)!, intervalMs: msOf(input.interval)!, alone }
  const { durationMs } = await stand(ctx, sign, waiting)
  const now = sign.latest()
  const containers: Json[] = now.map(({ name, service, image, restarts, status, health }) => {
    return { name, service, image, restarts, status, health }
  })
  sawReplicas(ctx, now)
  const services = input.services.length > 0 ? input.services : expected.map(service => service.name)
  return {
    changed: false,
    outputs: { containers, durationMs },
    facts: stackFacts({ ...input, services }),
  }
}

/** A crash loop restarts several times in it: the engine's first pauses are tenths of a second. */
export const BACK_MS = 2000
