/** The baseline: the configuration that the containers were created from, not files edited since. */

import { isRecord, recordOf } from '../../../document/is-record.ts'
import { lines } from '../../contract/plain-text.ts'
import { canonicalPath } from '../../contract/schema-fields.ts'
import type { StepContext } from '../../contract/step.ts'
import { LOOKING } from '../../stack/commands.ts'
import { docker, type Stack } from '../compose.ts'
import { configThatRuns, findDrifted } from '../drift.ts'
import { jsonOf, ofProject, projectFrom, readReplicas } from '../project.ts'
import { type Hashes, renderStack } from '../rendering.ts'
import type { Replica } from '../stability.ts'
import type { ComposeConfig } from './host-paths.ts'

export type RunningConfig = {
  /** Of the files that are there now, with all profiles. */
  config: ComposeConfig
  rendered: string
  hashes: Hashes
  made: Made[]
}

type Made = Pick<Replica, 'service' | 'config' | 'madeBy'>

export async function runningNow(ctx: StepContext, stack: Stack): Promise<RunningConfig | null> {
  if (stack.project === undefined) return null
  const all = { ...stack, profiles: ['*'] }
  const [made, { rendered, hashes }] = await Promise.all([
    madeOf(ctx, stack, stack.project),
    renderStack(ctx, all),
  ])
  const config = jsonOf(rendered)
  return made.length === 0 || !isRecord(config) ? null : { config, rendered, hashes, made }
}

/** By its labels: what else a container is, nobody asks as long as it is what the files give. */
async function madeOf(ctx: StepContext, { dir }: Stack, project: string): Promise<Made[]> {
  const labels = ['service', 'config-hash', 'version'].map(name => `{{.Label "com.docker.compose.${name}"}}`)
  const args = ['ps', '-a', '--format', labels.join('\t'), ...ofProject(project)]
  return lines((await docker(ctx, canonicalPath(dir), args, LOOKING)).stdout).map(line => {
    const [service = '', config = '', madeBy = ''] = line.split('\t')
    return { service, config, madeBy }
  })
}

/**
 * A service that has no container and would get one has no power yet; nor has one whose container was made from files that
 * nobody has any more. One that stays as it is keeps what its files give it. `target`: its configuration.
 */
export async function baseOf(
  ctx: StepContext,
  { config, rendered, hashes, made }: RunningConfig,
  { stack, target, services }: Against,
): Promise<Base> {
  const drifted = (await findDrifted(ctx, stack, made, hashes)).map(({ service }) => service)
  const ran = drifted.length === 0 ? rendered : await thatRuns(ctx, stack, rendered, drifted)
  const unknown = ran === null ? drifted : []
  const reach = projectFrom(JSON.stringify(target), stack, services).reach.map(({ name }) => name)
  const has = (name: string) => made.some(({ service }) => service === name) && !unknown.includes(name)
  const all = (ran === null ? config : jsonOf(ran)) as ComposeConfig
  return { config: only(all, name => has(name) || !reach.includes(name)), unknown: [...new Set(unknown)] }
}

async function thatRuns(ctx: StepContext, stack: Stack, rendered: string, drifted: readonly string[]) {
  const replicas = await readReplicas(ctx, stack, stack.project!, drifted)
  return configThatRuns(ctx, stack, rendered, replicas)
}

/** `unknown`: services whose containers were made from what cannot be told any more. */
type Base = { config: ComposeConfig; unknown: string[] }

type Against = {
  stack: Stack
  target: ComposeConfig
  services: readonly string[]
}

/** These services, and the files that they name. */
function only(config: ComposeConfig, isKept: (service: string) => boolean): ComposeConfig {
  const all = Object.entries(recordOf(config['services']))
  const kept = Object.fromEntries(all.filter(([name]) => isKept(name)))
  const used = JSON.stringify(kept)
  const named = (kind: string) => {
    const own = Object.entries(recordOf(config[kind]))
    return { [kind]: Object.fromEntries(own.filter(([name]) => used.includes(JSON.stringify(name)))) }
  }
  return { ...config, services: kept, ...named('configs'), ...named('secrets') }
}
