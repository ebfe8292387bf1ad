/**
 * Does the plan replace the container in which this runner lives, or the one of the daemon that it works through?
 * Compose would be cut off in the middle, the service would stay down, and nobody would be left to go back.
 */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import * as z from 'zod'
import type { Plan } from '../engine/plan.ts'
import type { Failure } from '../failure.ts'
import { composeArgv, type Stack } from '../steps/compose.ts'
import { jsonOf } from '../steps/compose-project.ts'
import { composeUp } from '../steps/compose-up.ts'
import { canonicalPath } from '../steps/fields.ts'
import { once } from '../steps/once.ts'
import type { Transport } from '../transport/transport.ts'

/** Part of a compose project: whose life depends on it. */
export type Own = { who: 'runner' | 'daemon'; project: string; service: string; folder: string }
/** What a step replaces. `services`: all of the project where null. */
export type Replaced = { step: string; project: string | null; folder: string; services: string[] | null }

const LOOK_MS = 20_000

/** Null when nothing of the kind is seen; what cannot be looked at is not seen. */
export async function selfUpgrade(
  plan: Plan,
  transport: Transport,
  command: string,
): Promise<Failure | null> {
  const steps = plan.steps.filter(step => step.uses === composeUp.uses && step.when !== false)
  if (steps.length === 0 || transport.platform !== 'posix') return null
  const ids = await ownIds(transport)
  if (ids.runner.length === 0 && ids.daemon.length === 0) return null
  const own = await inspect(ids, transport)
  if (own.length === 0) return null
  for (const step of steps) {
    const input = composeUp.schema.safeParse(step.with)
    if (!input.success) continue
    const replaced = await whatItReplaces(step.id, input.data, transport)
    const hit = own.find(each => isReplaced(each, replaced))
    if (hit) {
      const { who, project, service } = hit
      return { code: 'self-upgrade', step: step.id, who, project, service, command }
    }
  }
  return null
}

/** Pure. */
export function isReplaced(own: Own, { project, folder, services }: Replaced): boolean {
  const sameProject = project === null ? own.folder === folder : own.project === project
  return sameProject && (services === null || services.includes(own.service))
}

/**
 * Pure: ids of containers that a process may be in, from its own mounts, its control groups and its host name. On a
 * host the mounts name containers too; only where they stand in for files of /etc is one its own.
 */
export function containerIds(mountinfo: string, cgroup: string, name: string): string[] {
  const ids = new Set<string>()
  for (const line of mountinfo.split('\n')) {
    const [, , , root = '', point = ''] = line.split(' ')
    const id = /containers\/([0-9a-f]{64})\//.exec(root)?.[1]
    if (id && /^\/etc\/(hostname|hosts|resolv\.conf)$/.test(point)) ids.add(id)
  }
  for (const [id] of cgroup.matchAll(/\b[0-9a-f]{64}\b/g)) ids.add(id)
  if (ids.size === 0 && /^[0-9a-f]{12}$/.test(name)) ids.add(name)
  return [...ids]
}

type Ids = { runner: string[]; daemon: string[] }

/** Through the transport one sees where its far end lives; that is here, where it is this machine itself. */
async function ownIds(transport: Transport): Promise<Ids> {
  const here = containerIds(readText('/proc/self/mountinfo'), readText('/proc/self/cgroup'), hostname())
  if (transport.name === 'local') return { runner: here, daemon: [] }
  const argv = ['cat', '/proc/self/mountinfo', '/proc/self/cgroup', '/etc/hostname']
  const seen = await look(transport, argv)
  const name = seen.trimEnd().split('\n').at(-1) ?? ''
  const groups = seen.split('\n').filter(line => /^\d+:[^ ]*:\//.test(line))
  return { runner: here, daemon: containerIds(seen, groups.join('\n'), name) }
}

const inspectSchema = once(() =>
  z.object({ id: z.string(), labels: z.record(z.string(), z.string()).nullish() }),
)

/** Only the engine that the plan works on knows the container, if it is one of its own. */
async function inspect({ runner, daemon }: Ids, transport: Transport): Promise<Own[]> {
  const format = '{"id":{{json .Id}},"labels":{{json .Config.Labels}}}'
  const ids = [...new Set([...runner, ...daemon])]
  const said = await look(transport, ['docker', 'inspect', '--type', 'container', '--format', format, ...ids])
  return said.split('\n').flatMap((line): Own[] => {
    const { id, labels } = inspectSchema().safeParse(jsonOf(line)).data ?? {}
    const project = labels?.['com.docker.compose.project']
    const service = labels?.['com.docker.compose.service']
    if (id === undefined || project === undefined || service === undefined) return []
    const folder = canonicalPath(labels?.['com.docker.compose.project.working_dir'] ?? '/')
    const who = runner.some(known => id.startsWith(known)) ? 'runner' : 'daemon'
    return [{ who, project, service, folder }]
  })
}

const configSchema = once(() =>
  z.object({
    name: z.string(),
    services: z
      .record(z.string(), z.object({ depends_on: z.record(z.string(), z.unknown()).nullish() }))
      .nullish(),
  }),
)

async function whatItReplaces(
  step: string,
  input: Stack & { services: string[] },
  transport: Transport,
): Promise<Replaced> {
  const folder = canonicalPath(input.dir)
  const argv = composeArgv(input, ['config', '--format', 'json'])
  const config = configSchema().safeParse(jsonOf(await look(transport, argv, folder))).data
  const all = config?.services ?? {}
  const services = input.services.length === 0 ? null : withDependencies(input.services, all)
  return { step, project: config?.name ?? input.project ?? null, folder, services }
}

/** `up` brings what a service needs to its newest state as well. */
function withDependencies(
  wanted: readonly string[],
  all: { readonly [name: string]: { depends_on?: object | null | undefined } },
): string[] {
  const found = new Set(wanted)
  for (const name of found) for (const needed of Object.keys(all[name]?.depends_on ?? {})) found.add(needed)
  return [...found]
}

async function look(transport: Transport, argv: string[], cwd?: string): Promise<string> {
  const done = await transport.exec({ argv, cwd }, { timeoutMs: LOOK_MS })
  return done.kind === 'exited' ? done.stdout.toString('utf8') : ''
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
