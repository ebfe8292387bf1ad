/**
 * Refuses a plan that would end the container of this runner, or of the daemon that it works through. The run would be cut off
 * in the middle, the service would stay down, and nothing would be left to roll back.
 */
import * as z from 'zod'
import type { Plan, PlannedStep } from '../../engine/plan.ts'
import type { Warning } from '../../engine/run-input.ts'
import type { Failure } from '../../failure.ts'
import { composeArgv } from '../../steps/compose/compose.ts'
import { CONFIG, jsonOf } from '../../steps/compose/project.ts'
import { composeRollout } from '../../steps/compose/rollout.ts'
import { composeUp } from '../../steps/compose/up.ts'
import { once } from '../../steps/contract/once.ts'
import { canonicalPath } from '../../steps/contract/schema-fields.ts'
import type { Command, Transport } from '../../transport/transport.ts'
import { containerIds, ownIdsHere } from './own-container.ts'

/** The container in which the runner or the daemon lives; `project` and `service` are set if Compose made it. */
export type Own = {
  who: 'runner' | 'daemon'
  id: string
  name: string
  project: string | null
  service: string | null
  folder: string | null
}
/** `failure`: the reason to refuse the plan. */
export type Preflight = { failure: Failure | null; warnings: Warning[] }

const LOOK_MS = 20_000

/** Refuses nothing if the engine cannot be asked. `command`: starts the run on the host instead; null if it is there already. */
export async function selfUpgrade(
  plan: Plan,
  transport: Transport,
  command: string | null,
): Promise<Preflight> {
  const stops = plan.steps.flatMap(stopsOf)
  const clear: Preflight = { failure: null, warnings: [] }
  if (stops.length === 0 || transport.tools !== undefined) return clear
  const ids = await ownIds(transport)
  if (ids.runner.length === 0 && ids.daemon.length === 0) return clear
  const own = await inspect(ids, transport)
  const [first] = own
  if (first === undefined) return clear
  const refused = (step: string, { who, ...one }: Own, may: boolean): Preflight => {
    const about = { code: 'self-upgrade', step, place: placeOf(one), may } as const
    return { ...clear, failure: command === null ? { ...about, who: 'host' } : { ...about, who, command } }
  }
  for (const stop of stops) {
    const hit = await endedBy(stop, own, transport)
    if (hit) return refused(stop.step, hit, stop.kind === 'anything')
  }
  return { ...clear, warnings: warningsOf(stops, first, command === null) }
}

async function endedBy(stop: Stop, own: readonly Own[], transport: Transport): Promise<Own | undefined> {
  if (stop.kind === 'services') {
    const replaced = await replacedBy(stop, transport)
    return own.find(one => isReplaced(one, replaced))
  }
  return stop.kind === 'anything' ? own.find(({ who }) => who === 'runner') : undefined
}

/** Warnings for `--dry-run`, which does not look at the target. Pure. */
export const selfUpgradeAhead = (plan: Plan): Warning[] =>
  warnings(plan.steps.flatMap(stopsOf), 'this runner lives in (told by --check)', ON_HOST)

const ON_HOST = 'use --on-host --target hostlink'
const OUTSIDE = 'let hostlinkd run on the host itself'

/** `whose` container, and what to do about it. */
const warnings = (stops: readonly Stop[], whose: string, advice: string): Warning[] =>
  stops.flatMap(({ step, kind }) =>
    kind === 'services'
      ? []
      : [{ id: step, text: `may end the container that ${whose}: if it does, ${advice}` }],
  )

function warningsOf(stops: readonly Stop[], own: Own, livesOnHost: boolean): Warning[] {
  const who = livesOnHost ? 'this run' : own.who === 'runner' ? 'this runner' : 'the daemon of the target'
  const advice = own.who === 'runner' && !livesOnHost ? ON_HOST : OUTSIDE
  return warnings(stops, `${who} lives in (${placeOf(own)})`, advice)
}

/**
 * What a step of a plan may stop. `anything`: it runs a command of its author's, which is not read. `unknown`: it replaces
 * services whose names are known only when it runs.
 */
export type Stop = { step: string } & (
  | { kind: 'services'; config: Command; project: string | null; folder: string; services: string[] }
  | { kind: 'anything' }
  | { kind: 'unknown' }
)

const REPLACING = [composeUp, composeRollout] as const

/** Pure. The rollback counts too: it would be cut off as well. */
export function stopsOf({ id, uses, when, env, with: given }: PlannedStep): Stop[] {
  if (when === false) return []
  const own = given as { effect?: unknown; endsRunner?: unknown; undo?: unknown; reactivate?: unknown }
  const mayChange = own.effect !== 'read' && own.endsRunner !== 'never'
  const isCommand = uses === 'command' || uses === 'script'
  if (isCommand || uses === 'compose.exec') {
    const runsHere = isCommand || own.undo !== undefined || own.reactivate !== undefined
    return mayChange && runsHere ? [{ step: id, kind: 'anything' }] : []
  }
  const kind = REPLACING.find(each => each.uses === uses)
  if (kind === undefined) return []
  const input = kind.schema().safeParse(given)
  if (!input.success) return [{ step: id, kind: 'unknown' }]
  const { data } = input
  const folder = canonicalPath(data.dir)
  const known = Object.entries(env ?? {}).filter(
    (pair): pair is [string, string] => typeof pair[1] === 'string',
  )
  const argv = composeArgv(data, CONFIG)
  const config = { argv, cwd: folder, env: Object.fromEntries(known) }
  const { services, project = null } = data
  return [{ step: id, kind: 'services', config, project, folder, services }]
}

/** `services`: null means all of the project. */
type Replaced = { project: string | null; folder: string; services: readonly string[] | null }

/** Pure. */
export function isReplaced(own: Own, { project, folder, services }: Replaced): boolean {
  if (own.service === null) return false
  const sameProject = project === null ? own.folder === folder : own.project === project
  return sameProject && (services === null || services.includes(own.service))
}

const placeOf = ({ project, service, name }: Pick<Own, 'project' | 'service' | 'name'>): string =>
  service === null ? `container ${name}` : `service ${service} of compose project ${project}`

type Ids = { runner: string[]; daemon: string[] }

/** Through the transport, the files of `/proc` are those of its far end. The local transport has no far end but this process. */
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

/** Asks the engine that the plan works on: a container of any other engine is not found, and the plan cannot end it. */
async function inspect({ runner, daemon }: Ids, transport: Transport): Promise<Own[]> {
  const format = '{"id":{{json .Id}},"name":{{json .Name}},"labels":{{json .Config.Labels}}}'
  const ids = [...new Set([...runner, ...daemon])]
  const argv = ['docker', 'inspect', '--type', 'container', '--format', format, ...ids]
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

async function replacedBy(
  stop: Extract<Stop, { kind: 'services' }>,
  transport: Transport,
): Promise<Replaced> {
  const config = configSchema().safeParse(jsonOf(await look(transport, stop.config))).data
  const services = stop.services.length === 0 ? null : withDependencies(stop.services, config?.services ?? {})
  return { project: config?.name ?? stop.project, folder: stop.folder, services }
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
