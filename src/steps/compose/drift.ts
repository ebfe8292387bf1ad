/**
 * Containers that were made from another configuration than the files give now: a `.env` or a compose file was edited after
 * they had started. A way back has to lead to what ran, so that configuration is made again from the container itself, and
 * believed only where Compose gives it the very hash that the container carries.
 */

import * as z from 'zod'
import { printing } from '../command/pieces.ts'
import { once } from '../contract/once.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import type { Stack } from './compose.ts'
import { mountsField, portsField } from './possessions.ts'
import { jsonOf } from './project.ts'
import { type Hashes, hashesIn } from './rendering.ts'
import type { Replica } from './stability.ts'

/** Of a rendered configuration. Nothing is claimed where it cannot be asked. */
export async function hashesOf(
  ctx: StepContext,
  { dir }: Pick<Stack, 'dir'>,
  rendered: string,
): Promise<Hashes> {
  if (!ctx.hasShell) return new Map()
  const folder = canonicalPath(dir)
  const { argv, env } = printing(rendered)
  const words = ['sh', '-c', HASHES, 'hostops-hashes', folder, ...argv]
  return hashesIn((await ctx.exec({ argv: words, cwd: folder, env, ...LOOKING })).stdout)
}

const HASHES = `
dir=$1; shift
"$@" | docker compose -f - --project-directory "$dir" --profile '*' config --hash '*'
`

/** The version of Compose is asked only where a hash differs, which is seldom. */
export async function findDrifted<R extends Made>(
  ctx: StepContext,
  { dir }: Pick<Stack, 'dir'>,
  replicas: readonly R[],
  hashes: Hashes,
): Promise<R[]> {
  const others = replicas.filter(each => differs(each, hashes))
  if (others.length === 0) return []
  const argv = ['docker', 'compose', 'version', '--short']
  const { stdout } = await ctx.exec({ argv, cwd: canonicalPath(dir), ...LOOKING })
  return drifted(others, hashes, stdout.trim())
}

/** Pure. Another version of Compose hashes the same configuration otherwise, which says nothing. */
export const drifted = <R extends Made>(replicas: readonly R[], hashes: Hashes, version: string): R[] =>
  replicas.filter(each => differs(each, hashes) && releaseOf(each.madeBy ?? '') === releaseOf(version))

type Made = Pick<Replica, 'service' | 'config' | 'madeBy'>

const differs = ({ service, config }: Made, hashes: Hashes): boolean =>
  config !== '' && hashes.has(service) && hashes.get(service) !== config

/** Distributions add revisions of their own, which the label does not have. */
const releaseOf = (version: string): string => /\d+\.\d+\.\d+/.exec(version)?.[0] ?? version

/** The configuration that gives what runs, or null where none was found that does. */
export async function configThatRuns(
  ctx: StepContext,
  stack: Stack,
  rendered: string,
  drifted: readonly Replica[],
): Promise<string | null> {
  const seen = await Promise.all(drifted.map(replica => inspected(ctx, replica)))
  const config = jsonOf(rendered) as Rendered | null
  if (config === null || seen.includes(null)) return null
  for (const [at, { service }] of drifted.entries()) {
    const known = config.services[service]
    if (known === undefined) return null
    config.services[service] = { ...known, ...patched(known, config, seen[at]!) }
  }
  const text = JSON.stringify(config)
  const hashes = await hashesOf(ctx, stack, text)
  return drifted.every(({ service, config }) => hashes.get(service) === config) ? text : null
}

type Service = Record<string, unknown> & {
  environment?: Record<string, string | null>
  labels?: Record<string, string>
  ports?: Port[]
  volumes?: Volume[]
}
type Port = { target: number; protocol?: string; published?: string; host_ip?: string; mode?: string }
type Volume = { type: string; source?: string; target: string }
type Rendered = {
  services: Record<string, Service>
  volumes?: Record<string, { name?: string }>
}

const inspectSchema = once(() =>
  z.object({
    config: z.object({
      Image: z.string(),
      Env: z.array(z.string()).nullish(),
      Cmd: z.array(z.string()).nullish(),
      Entrypoint: z.array(z.string()).nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
    }),
    ports: portsField(),
    mounts: mountsField(),
  }),
)
type Inspected = z.infer<ReturnType<typeof inspectSchema>> & { imageEnv: string[] }

async function inspected(ctx: StepContext, { id, image }: Replica): Promise<Inspected | null> {
  const format =
    '{"config":{{json .Config}},"ports":{{json .HostConfig.PortBindings}},"mounts":{{json .Mounts}}}'
  const look = (what: string, name: string, wanted: string) =>
    ctx.exec({ argv: ['docker', what, 'inspect', '--format', wanted, name], ...LOOKING })
  const [container, ofImage] = await Promise.all([
    look('container', id, format),
    look('image', image, '{{json .Config.Env}}'),
  ])
  const read = inspectSchema().safeParse(jsonOf(container.stdout))
  if (!read.success) return null
  return { ...read.data, imageEnv: (jsonOf(ofImage.stdout) as string[] | null) ?? [] }
}

/** The fields that an edited file usually changes, as the container has them. Pure. */
export function patched(
  known: Service,
  all: Rendered,
  { config, ports, mounts, imageEnv }: Inspected,
): Service {
  const environment = (config.Env ?? [])
    .map(variable => [variable.split('=', 1)[0]!, variable.slice(variable.indexOf('=') + 1)] as const)
    .filter(([name, value]) => name in (known.environment ?? {}) || !imageEnv.includes(`${name}=${value}`))
  const labels = Object.keys(known.labels ?? {}).map(name => [name, config.Labels?.[name] ?? ''] as const)
  const published = Object.entries(ports ?? {}).flatMap(([port, bound]) =>
    (bound ?? []).map(({ HostIp, HostPort }) => portOf(known.ports ?? [], port, HostIp, HostPort)),
  )
  const source = ({ Name, Source, Destination }: NonNullable<Inspected['mounts']>[number]) => {
    const before = (known.volumes ?? []).find(volume => volume.target === Destination)
    const key = Object.entries(all.volumes ?? {}).find(([, volume]) => volume.name === Name)?.[0]
    return before === undefined ? [] : [{ ...before, source: key ?? Source ?? '' }]
  }
  const volumes = (known.volumes ?? []).flatMap(volume =>
    (mounts ?? []).filter(mount => mount.Destination === volume.target).flatMap(source),
  )
  return {
    image: escaped(config.Image),
    ...(environment.length > 0 || known.environment
      ? { environment: Object.fromEntries(environment.map(([name, value]) => [name, escaped(value)])) }
      : {}),
    ...(labels.length > 0
      ? { labels: Object.fromEntries(labels.map(([name, value]) => [name, escaped(value)])) }
      : {}),
    ...(known.ports ? { ports: published } : {}),
    ...(known.volumes ? { volumes } : {}),
    ...(Array.isArray(known['command']) ? { command: (config.Cmd ?? []).map(escaped) } : {}),
    ...(Array.isArray(known['entrypoint']) ? { entrypoint: (config.Entrypoint ?? []).map(escaped) } : {}),
  }
}

function portOf(known: readonly Port[], port: string, ip?: string | null, host?: string | null): Port {
  const [target = '', protocol = 'tcp'] = port.split('/')
  const before = known.find(each => `${each.target}/${each.protocol ?? 'tcp'}` === port)
  const {
    published: _,
    host_ip: __,
    ...rest
  } = before ?? { mode: 'ingress', target: Number(target), protocol }
  return {
    ...rest,
    ...(ip ? { host_ip: ip } : {}),
    ...(host && host !== '0' ? { published: host } : {}),
  }
}

/** Compose substitutes in what it has rendered, too. */
const escaped = (text: string) => text.replaceAll('$', '$$$$')
