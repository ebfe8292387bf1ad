/** What compose and the engine say of a stack, as far as decisions need it. */

import * as z from 'zod'
import { parseJson } from '../../document/json.ts'
import { Failed } from '../../failure.ts'
import { once } from '../contract/once.ts'
import { lines } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { compose, docker, type Stack } from './compose.ts'
import { foreignIn } from './foreign.ts'
import { HELD, heldOf } from './possessions.ts'
import type { Replica } from './stability.ts'

export type Service = {
  name: string
  /** How many replicas there should be. */
  replicas: number
  /** Ends on its own, and others wait for that. */
  oneShot: boolean
  /** As the compose file names its image. */
  image: string | null
  /** The compose file says how to build it. */
  builds: boolean
  platform: string | null
  /** The services that it depends on. */
  needs: string[]
}
export type Project = {
  name: string
  /** The services that are wanted, all when none is named. */
  services: Service[]
  /** Those and all that they depend on: what `up` may start or replace. */
  reach: Service[]
  /** The names of the other services. */
  apart: string[]
}

const configSchema = once(() =>
  z.object({
    name: z.string(),
    services: z
      .record(
        z.string(),
        z.object({
          image: z.string().nullish(),
          build: z.unknown().optional(),
          platform: z.string().nullish(),
          scale: z.number().nullish(),
          deploy: z.object({ replicas: z.number().nullish() }).nullish(),
          depends_on: z.record(z.string(), z.object({ condition: z.string().optional() })).nullish(),
        }),
      )
      .nullish(),
  }),
)

export async function readProject(
  ctx: StepContext,
  stack: Stack,
  wanted: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Project> {
  return (await readRendered(ctx, stack, wanted, env)).project
}

/** And the whole configuration, as compose renders it. */
export async function readRendered(
  ctx: StepContext,
  stack: Stack,
  wanted: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ project: Project; rendered: string }> {
  const { stdout } = await compose(ctx, withProfiles(stack, wanted), CONFIG, { ...LOOKING, env })
  return { project: projectFrom(stdout, stack, wanted), rendered: stdout }
}

export const CONFIG = ['config', '--format', 'json']

/** A service that is named is meant, whatever its profile; so does compose. */
export const withProfiles = (stack: Stack, wanted: readonly string[]): Stack =>
  wanted.length === 0 ? stack : { ...stack, profiles: ['*'] }

export function projectFrom(rendered: string, stack: Stack, wanted: readonly string[]): Project {
  const config = configSchema().safeParse(jsonOf(rendered))
  if (!config.success) throw unreadable(['docker', 'compose', ...CONFIG], 'it is no compose configuration')
  const all = Object.entries(config.data.services ?? {})
  const awaited = new Set(
    all.flatMap(([, service]) =>
      Object.entries(service.depends_on ?? {})
        .filter(([, how]) => how.condition === 'service_completed_successfully')
        .map(([name]) => name),
    ),
  )
  const known: Service[] = all.map(([name, service]) => ({
    name,
    replicas: service.deploy?.replicas ?? service.scale ?? 1,
    oneShot: awaited.has(name),
    image: service.image ?? null,
    builds: (service.build ?? null) !== null,
    platform: service.platform ?? null,
    needs: Object.keys(service.depends_on ?? {}),
  }))
  const unknown = wanted.filter(name => !known.some(service => service.name === name))
  if (unknown.length > 0) {
    const names = known.map(service => service.name)
    throw new Failed({
      code: 'service-unknown',
      dir: canonicalPath(stack.dir),
      services: unknown,
      known: names,
    })
  }
  if (wanted.length === 0) return { name: config.data.name, services: known, reach: known, apart: [] }
  const reached = new Set<string>()
  const reach = (name: string) => {
    if (reached.has(name)) return
    reached.add(name)
    for (const next of known.find(service => service.name === name)?.needs ?? []) reach(next)
  }
  for (const name of wanted) reach(name)
  return {
    name: config.data.name,
    services: known.filter(service => wanted.includes(service.name)),
    reach: known.filter(service => reached.has(service.name)),
    apart: known.map(service => service.name).filter(name => !reached.has(name)),
  }
}

const INSPECT = `{${HELD},"imageName":{{json .Config.Image}},"id":{{json .Id}},"name":{{json .Name}},"image":{{json .Image}},"restarts":{{json .RestartCount}},"policy":{{json .HostConfig.RestartPolicy.Name}},"state":{{json .State}},"labels":{{json .Config.Labels}}}`

const inspectSchema = once(() =>
  z.object({
    id: z.string(),
    name: z.string(),
    image: z.string(),
    restarts: z.number(),
    policy: z.string().nullish(),
    imageName: z.string().nullish(),
    labels: z.record(z.string(), z.string()).nullish(),
    state: z.object({
      Status: z.string(),
      Restarting: z.boolean().nullish(),
      ExitCode: z.number(),
      Error: z.string().nullish(),
      OOMKilled: z.boolean().nullish(),
      StartedAt: z.string(),
      FinishedAt: z.string().nullish(),
      Health: z
        .object({
          Status: z.string(),
          Log: z.array(z.object({ Output: z.string().nullish() })).nullish(),
        })
        .nullish(),
    }),
  }),
)

/**
 * Every container of these services (null: of the project), stopped ones included; `docker inspect` tells the truth, `ps`
 * does not. `likely`: the names that they probably have, looked at beside the list and not behind it.
 */
export async function readReplicas(
  ctx: StepContext,
  stack: Stack,
  project: string,
  services: readonly string[] | null,
  likely: readonly string[] = [],
): Promise<Replica[]> {
  const dir = canonicalPath(stack.dir)
  const [listed, guessed] = await Promise.all([
    docker(ctx, dir, ['ps', '-a', '-q', '--no-trunc', ...ofProject(project)], LOOKING),
    inspectReplicas(ctx, stack, likely),
  ])
  const ids = listed.stdout.split(/\s+/).filter(id => /^[0-9a-f]{12,64}$/.test(id))
  const wasRight = ids.every(id => guessed.some(replica => replica.id === id))
  const found = wasRight
    ? guessed.filter(replica => ids.includes(replica.id))
    : await inspectReplicas(ctx, stack, ids)
  return found.filter(replica => services?.includes(replica.service) ?? true)
}

/** As much as a list tells, which the engine answers at once, whatever it does with a container. */
export type Listed = Pick<Replica, 'id' | 'name' | 'status' | 'service'> & {
  /** For people: image, since when, ports. */
  shown: string[]
}

export async function listContainers(ctx: StepContext, stack: Stack, project: string): Promise<Listed[]> {
  const label = '{{.Label "com.docker.compose.service"}}'
  const format = [
    '{{.ID}}',
    '{{.Names}}',
    '{{.State}}',
    label,
    '{{.Image}}',
    '{{.Status}}',
    '{{.Ports}}',
  ].join('\t')
  const args = ['ps', '-a', '--no-trunc', '--format', format, ...ofProject(project)]
  const { stdout } = await docker(ctx, canonicalPath(stack.dir), args, LOOKING)
  return lines(stdout).map(line => {
    const [id = '', name = '', status = '', service = '', ...shown] = line.split('\t')
    return { id, name, status, service, shown }
  })
}

/** `byEngine`: what it said is the engine's, which quotes the configuration. */
type Inspected = Replica & { byEngine: boolean }

/** By name. Takes names and ids; one that is not there, or not any more, makes `docker inspect` fail and is left out. */
export async function inspectReplicas(
  ctx: StepContext,
  stack: Stack,
  containers: readonly string[],
): Promise<Replica[]> {
  if (containers.length === 0) return []
  const argv = ['docker', 'inspect', '--type', 'container', '--format', INSPECT, ...containers]
  const done = await ctx.exec({ argv, ...LOOKING })
  const found = done.stdout.split(/\r?\n/).flatMap(line => replicaOf(jsonOf(line), ctx.redact) ?? [])
  const quoted = found.some(({ byEngine }) => byEngine) && (await foreignIn(ctx, stack)).quotes === 'anything'
  return found
    .map(({ byEngine, ...replica }) => (byEngine && quoted ? { ...replica, said: '' } : replica))
    .sort((a, b) => a.name.localeCompare(b.name))
}

/** The containers of a project, but for those of `compose run`. */
export const ofProject = (project: string): string[] => withLabels(`project=${project}`)
/** The containers of all projects. */
export const ofStacks = (): string[] => withLabels('project')

const withLabels = (project: string) =>
  [project, 'oneoff=False'].flatMap(each => ['--filter', `label=com.docker.compose.${each}`])

function replicaOf(value: unknown, redact: (text: string) => string): Inspected | null {
  const read = inspectSchema().safeParse(value)
  if (!read.success) return null
  const { id, name, image, imageName, restarts, policy, labels, state } = read.data
  const check = state.Health?.Log?.at(-1)?.Output
  return {
    id,
    image,
    restarts,
    name: name.replace(/^\//, ''),
    service: labels?.['com.docker.compose.service'] ?? '',
    config: labels?.['com.docker.compose.config-hash'] ?? '',
    madeBy: labels?.['com.docker.compose.version'] ?? '',
    imageName: imageName ?? '',
    held: heldOf(value),
    needs: needsIn(labels?.['com.docker.compose.depends_on'] ?? ''),
    status: state.Restarting ? 'restarting' : state.Status,
    startedAt: state.StartedAt,
    finishedAt: state.FinishedAt ?? '',
    exitCode: state.ExitCode,
    comesBack: policy !== 'no' && policy !== '' && policy !== null && policy !== undefined,
    health: state.Health?.Status ?? null,
    said: redact((check ?? state.Error ?? '').trim()),
    byEngine: check === undefined && !!state.Error,
    outOfMemory: state.OOMKilled ?? false,
  }
}

/** `db:service_started:false,migration:service_completed_successfully:false` */
const needsIn = (label: string): NonNullable<Replica['needs']> =>
  label
    .split(',')
    .filter(Boolean)
    .map(each => {
      const [service = '', how] = each.split(':')
      return { service, ends: how === 'service_completed_successfully' }
    })

export const jsonOf = (text: string): unknown => parseJson(text) ?? null

const unreadable = (argv: string[], problem: string) =>
  new Failed({ code: 'output-unreadable', argv, problem })
