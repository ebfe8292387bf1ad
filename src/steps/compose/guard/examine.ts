/** What an upgrade to a commit would let the stack do that it may not do now. Changes nothing on the target. */
import { posix } from 'node:path'
import { canonicalPath } from '../../fields.ts'
import type { Opened } from '../../git/repository.ts'
import { lines } from '../../plain-text.ts'
import type { StepContext } from '../../step.ts'
import { compose, docker, LOOKING, type Stack } from '../compose.ts'
import { CONFIG, jsonOf, ofProject, projectFrom } from '../project.ts'
import { runningStack } from '../running-stack.ts'
import { addedPowers, type Judged } from './added.ts'
import { masked } from './mask.ts'
import type { Place } from './places.ts'
import { isMap, type Power } from './power.ts'
import { type Config, powersOf } from './powers.ts'
import { renderTree } from './render.ts'
import { entriesOf, type Ground, realFolders } from './tree.ts'
import { walk } from './walk.ts'

export type Examined = {
  added: Power[]
  /** Null: it names files that are not the stack's, so that nobody has rendered it. */
  config: Config | null
  /** The configuration of the files that are there now; null: nothing runs. */
  before: Config | null
}

export type Question = {
  stack: Stack
  services: readonly string[]
  opened: Opened
  sha: string
  allow: readonly string[]
}

export async function examine(ctx: StepContext, question: Question): Promise<Examined> {
  const { opened, sha, services } = question
  const given = { ...question.stack, dir: canonicalPath(question.stack.dir) }
  const [stack, real] = await Promise.all([
    runningStack(ctx, given, services),
    realFolders(ctx, [opened.repo.path, given.dir]),
  ])
  const ground = groundOf(question, stack, { repo: real[0]!, dir: real[1]! })
  const [walked, base] = await Promise.all([
    followed(ctx, ground, opened.head.sha, { sha, stack, allow: question.allow }),
    runningNow(ctx, stack),
  ])
  // What Compose would find there is not known, and it is not to look.
  if (walked.powers.length > 0)
    return { added: await masked(ctx, stack, walked.powers), config: null, before: base?.config ?? null }
  const config = await renderTree(ctx, { ground, opened, walked, stack, sha })
  const before = base === null ? null : baseOf(base, reachOf(config, stack, services))
  const [target, was] = await Promise.all([
    judged(ctx, ground, sha, config),
    before === null ? null : judged(ctx, ground, opened.head.sha, before),
  ])
  return { added: await masked(ctx, stack, addedPowers(target, was)), config, before: base?.config ?? null }
}

function groundOf({ opened }: Question, { dir }: Stack, real: Ground['real']): Ground {
  const below = posix.relative(real.repo, real.dir)
  const prefix = below === '..' || below.startsWith('../') || posix.isAbsolute(below) ? null : below
  return { opened, dir: canonicalPath(dir), prefix, real }
}

/** Files outside that the stack names today are its owner's: it may go on to name them. */
async function followed(
  ctx: StepContext,
  ground: Ground,
  head: string,
  { sha, stack, allow }: { sha: string; stack: Stack; allow: readonly string[] },
) {
  const walked = await walk(ctx, ground, sha, stack, key => allow.includes(key))
  if (walked.powers.length === 0 || stack.project === undefined) return walked
  const known = new Set<string>()
  const now = await walk(ctx, ground, head, stack, key => known.add(key).has(key))
  for (const { key } of now.powers) known.add(key)
  return walk(ctx, ground, sha, stack, key => allow.includes(key) || known.has(key))
}

type Running = { config: Config; services: string[] }

async function runningNow(ctx: StepContext, stack: Stack): Promise<Running | null> {
  if (stack.project === undefined) return null
  const format = '{{.Label "com.docker.compose.service"}}'
  const [listed, rendered] = await Promise.all([
    docker(ctx, stack.dir, ['ps', '-a', '--format', format, ...ofProject(stack.project)], LOOKING),
    compose(ctx, { ...stack, profiles: ['*'] }, CONFIG, LOOKING),
  ])
  const services = lines(listed.stdout)
  const config = jsonOf(rendered.stdout)
  return services.length === 0 || !isMap(config) ? null : { config, services }
}

const reachOf = (config: Config, stack: Stack, services: readonly string[]) =>
  projectFrom(JSON.stringify(config), stack, services).reach.map(({ name }) => name)

/** A service that has no container and would get one has no power yet; one that stays as it is keeps what its files give it. */
function baseOf({ config, services }: Running, reach: readonly string[]): Config {
  const all = isMap(config.services) ? Object.entries(config.services) : []
  const kept = Object.fromEntries(all.filter(([name]) => services.includes(name) || !reach.includes(name)))
  const used = JSON.stringify(kept)
  const only = (kind: string) => {
    const own = isMap(config[kind]) ? Object.entries(config[kind]) : []
    return { [kind]: Object.fromEntries(own.filter(([name]) => used.includes(JSON.stringify(name)))) }
  }
  return { ...config, services: kept, ...only('configs'), ...only('secrets') }
}

/** By the links that there are on the target, and those that are in the tree of this commit. */
async function judged(ctx: StepContext, ground: Ground, sha: string, config: Config): Promise<Judged> {
  const paths = new Set<string>()
  powersOf(config, path => {
    paths.add(posix.normalize(path))
    return { path, within: true, own: true }
  })
  const named = [...paths].filter(path => path.startsWith('/') && !/[\u0000-\u001f]/.test(path))
  const [places, entries] = await Promise.all([resolved(ctx, named), entriesOf(ctx, ground, sha, named)])
  const place = (text: string): Place => {
    const path = posix.normalize(text)
    const at = places.get(path) ?? path
    const link = entries.get(path)
    const within = at.startsWith('/') && isBelow(at, [ground.real.repo, ground.real.dir])
    return {
      path: at,
      within,
      own: within && !holdsRules(ground, at),
      ...(link?.kind === 'link' ? { link: `${link.path}@${link.oid.slice(0, 12)}` } : {}),
    }
  }
  return { config, powers: powersOf(config, place) }
}

const isBelow = (path: string, folders: readonly string[]) =>
  folders.some(folder => path === folder || path.startsWith(`${folder}/`))

/** Whoever can write there decides what the next upgrade starts. */
function holdsRules({ real }: Ground, path: string): boolean {
  const at = posix.relative(real.dir, path)
  return (
    isBelow(real.repo, [path]) ||
    isBelow(real.dir, [path]) ||
    isBelow(path, [`${real.repo}/.git`]) ||
    /^(\.env|(docker-)?compose[^/]*\.ya?ml)$/.test(at)
  )
}

/** As far as there is something; what is not there yet is made below what is. */
const RESOLVE = `
for path do
  rest= here=$path
  while [ ! -e "$here" ] && [ ! -L "$here" ] && [ "$here" != / ]; do
    rest=/\${here##*/}$rest here=\${here%/*} here=\${here:-/}
  done
  real=$(readlink -f -- "$here") || real=$here
  printf '%s\\n' "\${real%/}$rest"
done
`

async function resolved(ctx: StepContext, paths: readonly string[]): Promise<Map<string, string>> {
  if (paths.length === 0) return new Map()
  const argv = ['sh', '-c', RESOLVE, 'hostops-resolve', ...paths]
  const { stdout } = await ctx.exec({ argv, ...LOOKING })
  const real = stdout.split('\n')
  return new Map(paths.map((path, at) => [path, real[at] || '/']))
}
