import * as z from 'zod'
import { once } from '../command/once.ts'
import { durationSchema, parseDuration, timeLimitSchema } from '../duration.ts'
import type { Json, StepContext, StepKind, StepResult } from '../step.ts'
import { composeArgv, SERVICE, servicesField, stackFacts, stackFields, stackLock } from './compose.ts'
import { survivingEngine } from './engine-away.ts'
import { stackEvidence } from './evidence.ts'
import { type Project, readProject, readReplicas } from './project.ts'
import { runningStack } from './running-stack.ts'
import { sawReplicas } from './seen.ts'
import { type Expected, fingerprint, judge, type Replica } from './stability.ts'
import { notStable, withExitCodes } from './unstable.ts'

const schema = once(() =>
  z.strictObject({
    ...stackFields(),
    services: servicesField(),
    timeout: timeLimitSchema().default('120s').describe('How long the stack may take to stand.'),
    minHealthy: durationSchema()
      .default('5s')
      .describe('How long every replica must run, healthy and without a restart, to be believed.'),
    interval: durationSchema().default('1s').describe('Pause between two looks.'),
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
  get schema() {
    return schema()
  },
  outputs: { containers: 'list', durationMs: 'int' },
  timeoutMs: 60 * 60_000,
  limitMs: input => parseDuration(input.timeout)!,
  effect: () => 'read',
  about: stackFacts,
  locks: input => [stackLock(input)],
  commands: input => [
    { argv: composeArgv(input, ['config', '--format', 'json']), cwd: input.dir },
    { argv: ['docker', 'inspect', { unknown: 'the containers that there are then' }] },
  ],
  async snapshot(ctx, input) {
    const stack = await runningStack(ctx, input, input.services)
    const project = await readProject(ctx, stack, input.services)
    const names = project.services.map(service => service.name)
    const now = await readReplicas(ctx, input, project.name, names)
    const there = expectedOf(input, project).filter(({ name }) => now.some(each => each.service === name))
    return { project: project.name, there }
  },
  run: gateNow,
  async verify(ctx, input, before) {
    if (before === null) return gateNow(ctx, input)
    if (before.there.length === 0) return { changed: false }
    return gate(ctx, input, before.project, before.there)
  },
  evidence: (ctx, input, before) => stackEvidence(ctx, input, before?.project ?? null),
}
survivingEngine(composeWait, ['run', 'verify'])

const expectedOf = (input: With, project: Project): Expected[] =>
  project.services.map(({ name, replicas, oneShot }) => {
    return { name, replicas, oneShot: oneShot || input.oneShot.includes(name) }
  })

async function gateNow(ctx: StepContext, input: With): Promise<StepResult> {
  const stack = await runningStack(ctx, input, input.services)
  const project = await readProject(ctx, stack, input.services)
  return gate(ctx, input, project.name, expectedOf(input, project))
}

async function gate(
  ctx: StepContext,
  input: With,
  project: string,
  expected: readonly Expected[],
): Promise<StepResult> {
  const started = ctx.now()
  const ms = (duration: string) => parseDuration(duration) ?? 0
  const first = new Map<string, Replica>()
  let good = null as { print: string; since: number } | null
  let shown = ''
  for (;;) {
    const seen = await readReplicas(
      ctx,
      input,
      project,
      expected.map(service => service.name),
    )
    for (const replica of seen) if (!first.has(replica.id)) first.set(replica.id, replica)
    const now = await withExitCodes(ctx, input, [...first.values()], seen)
    const verdict = judge(expected, first, now)
    const text = verdict.good
      ? 'all containers run'
      : verdict.problems.map(problem => problem.detail).join(', ')
    if (text !== shown) ctx.say(text)
    shown = text
    if (!verdict.good) {
      good = null
      if (verdict.final) throw await notStable(ctx, input, verdict.problems, now)
    } else {
      const print = fingerprint(now)
      if (good?.print !== print) good = { print, since: ctx.now() }
      if (ctx.now() - good.since >= ms(input.minHealthy)) return standing(ctx, input, expected, now, started)
    }
    const left = Math.min(ms(input.timeout) - (ctx.now() - started), ctx.remainingMs())
    if (left <= ms(input.interval)) {
      const unproven = [
        {
          service: 'the stack',
          container: null,
          detail: `did not run for ${input.minHealthy} without a change`,
        },
      ]
      throw await notStable(ctx, input, verdict.good ? unproven : verdict.problems, now)
    }
    await ctx.sleep(ms(input.interval))
  }
}

function standing(
  ctx: StepContext,
  input: With,
  expected: readonly Expected[],
  now: readonly Replica[],
  started: number,
): StepResult {
  const containers: Json[] = now.map(({ name, service, image, restarts, status, health }) => {
    return { name, service, image, restarts, status, health }
  })
  sawReplicas(ctx, now)
  const durationMs = Math.round(ctx.now() - started)
  const services = input.services.length > 0 ? input.services : expected.map(service => service.name)
  return {
    changed: false,
    outputs: { containers, durationMs },
    facts: { ...stackFacts({ ...input, services }), watchedSeconds: durationMs / 1000 },
  }
}
