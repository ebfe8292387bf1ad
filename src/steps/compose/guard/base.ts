/** What the stack may do already: by the configuration that its containers were made from, not by files edited since. */
import type { StepContext } from '../../step.ts'
import { compose, composeArgv, LOOKING, type Stack } from '../compose.ts'
import { configHashes, configThatRuns, findDrifted } from '../drift.ts'
import { CONFIG, jsonOf, projectFrom, readReplicas } from '../project.ts'
import type { Replica } from '../stability.ts'
import type { Config } from './places.ts'
import { isMap } from './power.ts'

export type Running = {
  /** Of the files that are there now, with all profiles. */
  config: Config
  rendered: string
  replicas: Replica[]
}

export async function runningNow(ctx: StepContext, stack: Stack): Promise<Running | null> {
  if (stack.project === undefined) return null
  const [replicas, { stdout }] = await Promise.all([
    readReplicas(ctx, stack, stack.project, null),
    compose(ctx, withAll(stack), CONFIG, LOOKING),
  ])
  const config = jsonOf(stdout)
  return replicas.length === 0 || !isMap(config) ? null : { config, rendered: stdout, replicas }
}

export const hashesNow = (ctx: StepContext, stack: Stack) =>
  configHashes(ctx, stack, composeArgv(withAll(stack), CONFIG))

const withAll = (stack: Stack): Stack => ({ ...stack, profiles: ['*'] })

/**
 * A service that has no container and would get one has no power yet; nor has one whose container was made from files that
 * nobody has any more. One that stays as it is keeps what its files give it. `target`: its configuration.
 */
export async function baseOf(
  ctx: StepContext,
  { config, rendered, replicas }: Running,
  { stack, hashes, target, services }: Against,
): Promise<Base> {
  const drifted = await findDrifted(ctx, stack, replicas, hashes)
  const made = drifted.length === 0 ? rendered : await configThatRuns(ctx, stack, rendered, drifted)
  const unknown = made === null ? drifted.map(({ service }) => service) : []
  const reach = projectFrom(JSON.stringify(target), stack, services).reach.map(({ name }) => name)
  const has = (name: string) => replicas.some(({ service }) => service === name) && !unknown.includes(name)
  const all = (made === null ? config : jsonOf(made)) as Config
  return { config: only(all, name => has(name) || !reach.includes(name)), unknown: [...new Set(unknown)] }
}

/** `unknown`: services whose containers were made from what cannot be told any more. */
export type Base = { config: Config; unknown: string[] }

type Against = {
  stack: Stack
  hashes: Awaited<ReturnType<typeof configHashes>>
  target: Config
  services: readonly string[]
}

/** These services, and the files that they name. */
function only(config: Config, isKept: (service: string) => boolean): Config {
  const all = isMap(config.services) ? Object.entries(config.services) : []
  const kept = Object.fromEntries(all.filter(([name]) => isKept(name)))
  const used = JSON.stringify(kept)
  const named = (kind: string) => {
    const own = isMap(config[kind]) ? Object.entries(config[kind]) : []
    return { [kind]: Object.fromEntries(own.filter(([name]) => used.includes(JSON.stringify(name)))) }
  }
  return { ...config, services: kept, ...named('configs'), ...named('secrets') }
}
