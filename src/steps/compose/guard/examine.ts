/** What an upgrade to a commit would let the stack do that it may not do now. Changes nothing on the target. */
import { posix } from 'node:path'
import { canonicalPath } from '../../fields.ts'
import type { Opened } from '../../git/repository.ts'
import type { StepContext } from '../../step.ts'
import { LOOKING, type Stack } from '../compose.ts'
import { runningStack } from '../running-stack.ts'
import { addedPowers, type Judged } from './added.ts'
import { attributePowers } from './attributes.ts'
import { baseOf, hashesNow, runningNow } from './base.ts'
import { masked } from './mask.ts'
import { type Config, isBelow, type Place, writableIn } from './places.ts'
import type { Power } from './power.ts'
import { powersOf } from './powers.ts'
import { renderTree } from './render.ts'
import { entriesOf, type Ground, realFolders } from './tree.ts'
import { outsidePower, type Walked, walk } from './walk.ts'

export type Examined = {
  added: Power[]
  /** Null: it names files that are not the stack's, so that nobody has rendered it. */
  config: Config | null
  /** The configuration of the files that are there now; null: nothing runs. */
  before: Config | null
  /** Services of which it is not known what they may do now. */
  unknown: string[]
}

export type Question = {
  stack: Stack
  services: readonly string[]
  opened: Opened
  sha: string
  allow: readonly string[]
}

export async function examine(ctx: StepContext, question: Question): Promise<Examined> {
  const { opened, services } = question
  const given = { ...question.stack, dir: canonicalPath(question.stack.dir) }
  const [stack, real] = await Promise.all([
    runningStack(ctx, given, services),
    realFolders(ctx, [opened.repo.path, given.dir]),
  ])
  const [hashes, found] = await Promise.all([
    stack.project === undefined ? new Map<string, string>() : hashesNow(ctx, stack),
    rendered(ctx, question, stack, { repo: real[0]!, dir: real[1]! }),
  ])
  const { ground, walked, base, strange, config } = found
  const before = base?.config ?? null
  if (config === null) return { added: await masked(ctx, stack, strange), config, before, unknown: [] }
  const was = base && (await baseOf(ctx, base, { stack, hashes, target: config, services }))
  const [target, had] = await judged(ctx, ground, question, [config, was?.config ?? null])
  const planted = besidePowers(walked, await withReal(ctx, writableIn(config)))
  const refused = planted.filter(({ key }) => !question.allow.includes(key))
  const added = [...refused, ...addedPowers(target!, had ?? null)]
  return { added: await masked(ctx, stack, added), config, before, unknown: was?.unknown ?? [] }
}

/** `config`: null where what Compose would find there is not known, so that it is not to look. */
async function rendered(ctx: StepContext, question: Question, stack: Stack, real: Ground['real']) {
  const { opened, sha } = question
  const base = await runningNow(ctx, stack)
  const written = base === null ? [] : await withReal(ctx, writableIn(base.config))
  const ground = { ...groundOf(question, stack, real), written }
  const { walked, strange } = await followed(ctx, ground, question, stack)
  const isKnown = strange.length === 0
  const config = isKnown ? await renderTree(ctx, { ground, opened, walked, stack, sha }) : null
  return { ground, walked, base, strange, config }
}

function groundOf({ opened }: Question, { dir }: Stack, real: Ground['real']): Omit<Ground, 'written'> {
  const below = posix.relative(real.repo, real.dir)
  const prefix = below === '..' || below.startsWith('../') || posix.isAbsolute(below) ? null : below
  return { opened, dir: canonicalPath(dir), prefix, real }
}

/** Files outside that the stack names today are its owner's: it may go on to name them. */
async function followed(ctx: StepContext, ground: Ground, { opened, sha, allow }: Question, stack: Stack) {
  const known = new Set(allow)
  const at = async (commit: string, isKnown: (key: string) => boolean) => {
    const walked = await walk(ctx, ground, commit, stack, isKnown)
    const paths = [...walked.files].flatMap(([path, { kind }]) => (kind === 'blob' ? [path] : []))
    const attributes = await attributePowers(ctx, ground, opened, { sha: commit, paths })
    return { walked, strange: [...walked.powers, ...attributes.filter(({ key }) => !isKnown(key))] }
  }
  const first = await at(sha, key => known.has(key))
  if (first.strange.length === 0 || stack.project === undefined) return first
  await at(opened.head.sha, key => known.add(key).has(key))
  return at(sha, key => known.has(key))
}

/** What lies in the stack's own folder, and where one of its containers could have put a link. */
const besidePowers = ({ beside }: Walked, written: readonly string[]): Power[] =>
  beside
    .filter(({ path, real }) => isBelow(path, written) || isBelow(real, written))
    .map(({ how, service, path }) => outsidePower(service, how, path))

/** By the links that there are on the target, and those that are in the tree of the commit that each was rendered from. */
async function judged(
  ctx: StepContext,
  ground: Ground,
  { sha, opened }: Question,
  [target, base]: readonly [Config, Config | null],
): Promise<Judged[]> {
  const sides = [
    { config: target, at: sha },
    ...(base === null ? [] : [{ config: base, at: opened.head.sha }]),
  ]
  const named = sides.map(({ config }) => pathsIn(config))
  const [places, ...entries] = await Promise.all([
    resolved(ctx, [...new Set(named.flat())]),
    ...sides.map(({ at }, side) => entriesOf(ctx, ground, at, named[side]!)),
  ])
  const real = (path: string) => places.get(path) ?? path
  const written = sides.flatMap(({ config }) => writableIn(config)).map(real)
  return sides.map(({ config }, side) => {
    const place = (text: string): Place => {
      const path = posix.normalize(text)
      const at = real(path)
      const link = entries[side]!.get(path)
      const within =
        at.startsWith('/') && isIn(at, [ground.real.repo, ground.real.dir]) && !isBelow(at, written)
      return {
        path: at,
        within,
        own: within && !holdsRules(ground, at),
        ...(link?.kind === 'link' ? { link: `${link.path}@${link.oid.slice(0, 12)}` } : {}),
      }
    }
    return { config, powers: powersOf(config, place) }
  })
}

/** Everything that the configuration names for the host. */
function pathsIn(config: Config): string[] {
  const paths = new Set<string>()
  powersOf(config, path => {
    paths.add(posix.normalize(path))
    return { path, within: true, own: true }
  })
  return [...paths].filter(path => path.startsWith('/') && !/[\u0000-\u001f]/.test(path))
}

const isIn = (path: string, folders: readonly string[]) => folders.includes(path) || isBelow(path, folders)

/** Whoever can write there decides what the next upgrade starts. */
function holdsRules({ real }: Ground, path: string): boolean {
  const at = posix.relative(real.dir, path)
  return (
    isIn(real.repo, [path]) ||
    isIn(real.dir, [path]) ||
    isIn(path, [`${real.repo}/.git`]) ||
    /^(\.env|(docker-)?compose[^/]*\.ya?ml)$/.test(at)
  )
}

const withReal = async (ctx: StepContext, paths: readonly string[]): Promise<string[]> => [
  ...paths,
  ...(await resolved(ctx, paths)).values(),
]

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
