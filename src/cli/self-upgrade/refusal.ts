/**
 * Does the plan end the container in which this runner lives, or the daemon that it works through? It would be cut off
 * in the middle, the service would stay down, and nobody would be left to go back.
 */
import * as z from 'zod'
import type { Plan } from '../../engine/plan.ts'
import type { Warning } from '../../engine/running.ts'
import type { Failure } from '../../failure.ts'
import { once } from '../../steps/command/once.ts'
import { jsonOf } from '../../steps/compose/project.ts'
import { canonicalPath } from '../../steps/fields.ts'
import type { Command, Transport } from '../../transport/transport.ts'
import type { Ends, OtherEngine } from './ends.ts'
import { containerIds, ownIdsHere } from './own-container.ts'
import { type StepEnds, stepEnds } from './step-ends.ts'

/** A container on which somebody's life depends; `project` and `service` where compose made it. */
export type Own = {
  who: 'runner' | 'daemon'
  id: string
  name: string
  project: string | null
  service: string | null
  folder: string | null
}
/** What a step ends at the engine. `services`: all of the project where null. */
export type Ended =
  | { kind: 'services'; project: string | null; folder: string | null; services: readonly string[] | null }
  | { kind: 'containers'; names: readonly string[] }
  | { kind: 'engine' }

export type Foresight = { failure: Failure | null; warnings: Warning[] }

const LOOK_MS = 20_000

/** What cannot be looked at is not seen. `command`: how to let the run live on the host; null where it does. */
export async function selfUpgrade(
  plan: Plan,
  transport: Transport,
  command: string | null,
): Promise<Foresight> {
  const steps = plan.steps.map(stepEnds).filter(({ ends, unclear }) => ends.length > 0 || unclear.length > 0)
  const refused = (step: string, who: 'runner' | 'daemon' | 'link', place: string): Foresight => {
    const failure =
      command === null
        ? ({ code: 'self-upgrade', step, who: 'host', place } as const)
        : ({ code: 'self-upgrade', step, who, place, command } as const)
    return { failure, warnings: [] }
  }
  if (steps.length === 0 || transport.platform !== 'posix') return { failure: null, warnings: [] }
  const link = steps.find(({ ends }) => ends.some(each => each.kind === 'unit' && each.unit === 'hostlinkd'))
  if (link && transport.name.startsWith('hostlink')) return refused(link.step, 'link', 'hostlinkd')
  const ids = await ownIds(transport)
  if (ids.runner.length === 0 && ids.daemon.length === 0) return { failure: null, warnings: [] }
  const own = await inspectAll(ids, enginesOf(steps), transport)
  if (own.length === 0) return { failure: null, warnings: [] }
  for (const { step, ends } of steps) {
    for (const each of ends) {
      const ended = await resolved(each, transport)
      const hit = ended && own.find(one => isEnded(one, ended))
      if (hit) return refused(step, hit.who, placeOf(hit))
    }
  }
  return { failure: null, warnings: own.slice(0, 1).flatMap(one => warningsOf(steps, one, command === null)) }
}

/** Of a plan that nobody is asked about. Pure. */
export const selfUpgradeAhead = (plan: Plan): Warning[] =>
  warnings(plan.steps.map(stepEnds), 'this runner lives in (told by --check)', ON_HOST)

const ON_HOST = 'use --on-host --target hostlink'
const OUTSIDE = 'let hostlinkd run on the host itself'

/** `whose` container, and what to do about it. */
const warnings = (steps: readonly StepEnds[], whose: string, advice: string): Warning[] =>
  steps.flatMap(({ step, unclear }) =>
    unclear.map(what => ({
      id: step,
      text: `could end the container that ${whose}: what "${what}" does is known only when it runs; if it does that, ${advice}`,
    })),
  )

function warningsOf(steps: readonly StepEnds[], own: Own, livesOnHost: boolean): Warning[] {
  const who = livesOnHost ? 'this run' : own.who === 'runner' ? 'this runner' : 'the daemon of the target'
  const advice = own.who === 'runner' && !livesOnHost ? ON_HOST : OUTSIDE
  return warnings(steps, `${who} lives in (${placeOf(own)})`, advice)
}

/** Pure. */
export function isEnded(own: Own, ended: Ended): boolean {
  switch (ended.kind) {
    case 'engine':
      return true
    case 'containers':
      return ended.names.some(
        name => name === own.name || (/^[0-9a-f]{4,}$/.test(name) && own.id.startsWith(name)),
      )
    case 'services': {
      const { project, folder, services } = ended
      if (own.service === null) return false
      const sameProject = project === null ? own.folder === folder : own.project === project
      return sameProject && (services === null || services.includes(own.service))
    }
  }
}

const placeOf = ({ project, service, name }: Own): string =>
  service === null ? `container ${name}` : `service ${service} of compose project ${project}`

type Engine = 'docker' | OtherEngine
type Ids = { runner: string[]; daemon: string[] }

/** Through the transport one sees where its far end lives; that is here, where it is this machine itself. */
async function ownIds(transport: Transport): Promise<Ids> {
  const here = ownIdsHere()
  if (transport.name === 'local') return { runner: here, daemon: [] }
  const argv = ['cat', '/proc/self/mountinfo', '/proc/self/cgroup', '/etc/hostname']
  const seen = await look(transport, { argv })
  const name = seen.trimEnd().split('\n').at(-1) ?? ''
  const groups = seen.split('\n').filter(line => /^\d+:[^ ]*:\//.test(line))
  return { runner: here, daemon: containerIds(seen, groups.join('\n'), name) }
}

const inspectSchema = once(() =>
  z.object({
    id: z.string(),
    name: z.string(),
    labels: z.record(z.string(), z.string()).nullish(),
  }),
)

/** A command of another engine's ends nothing of docker's; what is only known when it runs may be docker's. */
function enginesOf(steps: readonly StepEnds[]): Engine[] {
  const others = steps.flatMap(({ ends }) => ends).flatMap(each => ('engine' in each ? [each.engine] : []))
  return ['docker', ...new Set(others.filter(engine => engine !== undefined))]
}

async function inspectAll(ids: Ids, engines: readonly Engine[], transport: Transport): Promise<Own[]> {
  const known = await Promise.all(engines.map(engine => inspect(engine, ids, transport)))
  return known.flat()
}

/** Only the engine that the plan works on knows the container, if it is one of its own. */
async function inspect(engine: Engine, { runner, daemon }: Ids, transport: Transport): Promise<Own[]> {
  const format = '{"id":{{json .Id}},"name":{{json .Name}},"labels":{{json .Config.Labels}}}'
  const ids = [...new Set([...runner, ...daemon])]
  const argv = [engine, 'inspect', '--type', 'container', '--format', format, ...ids]
  const said = await look(transport, { argv })
  return said.split('\n').flatMap((line): Own[] => {
    const { id, name, labels } = inspectSchema().safeParse(jsonOf(line)).data ?? {}
    if (id === undefined || name === undefined) return []
    const folder = labels?.['com.docker.compose.project.working_dir']
    return [
      {
        who: runner.some(known => id.startsWith(known)) ? 'runner' : 'daemon',
        id,
        name: name.replace(/^\//, ''),
        project: labels?.['com.docker.compose.project'] ?? null,
        service: labels?.['com.docker.compose.service'] ?? null,
        folder: folder === undefined ? null : canonicalPath(folder),
      },
    ]
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

async function resolved(ends: Ends, transport: Transport): Promise<Ended | null> {
  if (ends.kind === 'unit') return ends.unit === 'docker' ? { kind: 'engine' } : null
  if (ends.kind === 'containers') return ends
  const config = configSchema().safeParse(jsonOf(await look(transport, ends.config))).data
  const all = ends.dependencies ? (config?.services ?? {}) : {}
  const services = ends.services.length === 0 ? null : withDependencies(ends.services, all)
  return { kind: 'services', project: config?.name ?? ends.project, folder: ends.folder, services }
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

async function look(transport: Transport, command: Command): Promise<string> {
  const done = await transport.exec(command, { timeoutMs: LOOK_MS })
  return done.kind === 'exited' ? done.stdout.toString('utf8') : ''
}
