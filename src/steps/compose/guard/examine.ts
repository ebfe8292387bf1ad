/** What an upgrade to a commit would let the stack do that it may not do now. Changes nothing on the target. */

import { posix } from 'node:path'
import { Failed } from '../../../failure.ts'
import { canonicalPath } from '../../contract/schema-fields.ts'
import type { StepContext } from '../../contract/step.ts'
import type { Opened } from '../../git/repository.ts'
import { LOOKING } from '../../stack/commands.ts'
import { isBelow, isIn } from '../../stack/paths.ts'
import { type Power, power } from '../../stack/power.ts'
import { entriesOf, type Ground, modulesIn, realFolders } from '../../stack/tree-files.ts'
import { isWritten, outsidePower, type Walked, walk } from '../../stack/walk.ts'
import type { Stack } from '../compose.ts'
import { runningStack } from '../running-stack.ts'
import { addedPowers, type JudgedConfig } from './added.ts'
import { attributePowers } from './attribute-powers.ts'
import { baseOf, type RunningConfig, runningNow } from './base.ts'
import { type ComposeConfig, type HostPath, writableIn } from './host-paths.ts'
import { masked } from './mask.ts'
import { namePowers } from './names.ts'
import { pathsIn, powersOf } from './powers.ts'
import { profilesIn, withVersions } from './profiles.ts'
import { renderTree } from './render.ts'

export type Examined = {
  added: Power[]
  /** Null: it names files that are not the stack's, so that nobody has rendered it. */
  config: ComposeConfig | null
  /** The configuration of the files that are there now; null: nothing runs. */
  before: ComposeConfig | null
  /** Services of which it is not known what they may do now. */
  unknown: string[]
}

/** What runs, which is asked for while git looks for the commit. */
type Now = { stack: Promise<Stack>; base: Promise<RunningConfig | null> }

export async function withNow<T>(
  ctx: StepContext,
  given: Stack & { services: readonly string[] },
  work: (now: Now) => Promise<T>,
): Promise<T> {
  const stack = runningStack(ctx, { ...given, dir: canonicalPath(given.dir) }, given.services)
  const base = stack.then(found => runningNow(ctx, found))
  try {
    return await work({ stack, base })
  } finally {
    // It has a folder of its own, which nobody would remove if the run ended before it.
    await base.catch(() => {})
  }
}

type Question = {
  now: Now
  dir: string
  services: readonly string[]
  opened: Opened
  sha: string
  allow: readonly string[]
}

export async function examine(ctx: StepContext, question: Question): Promise<Examined> {
  const { opened, services, allow } = question
  const [stack, real] = await Promise.all([
    question.now.stack,
    realFolders(ctx, [opened.repo.path, canonicalPath(question.dir)]),
  ])
  if (stack.files.length === 0) await requireDefaultFiles(ctx, canonicalPath(question.dir))
  const ground = groundOf(question, stack, { repo: real[0]!, dir: real[1]! })
  const { now, base } = await lookAround(ctx, ground, question, stack)
  const before = base?.config ?? null
  // What Compose would find there is not known, and it is not to look.
  if (now.config === null)
    return {
      added: await masked(ctx, stack, now.strange, envFilesIn(now.found)),
      config: null,
      before,
      unknown: [],
    }
  const { config, found } = now
  const was = base && (await baseOf(ctx, base, { stack, target: config, services }))
  const [[target, had], written, named, modules] = await Promise.all([
    judged(ctx, ground, question, [config, was?.config ?? null]),
    withReal(ctx, writableIn(config)),
    namePowers(ctx, stack, config, was?.config ?? null),
    modulePowers(ctx, ground, question, [config, before ?? {}]),
  ])
  const refused = plantedPowers(found, written).filter(({ key }) => !allow.includes(key))
  const all = [...refused, ...addedPowers(target!, had ?? null), ...named, ...modules]
  const added = [...new Map(all.map(each => [each.key, each])).values()]
  return {
    added: await masked(ctx, stack, added, envFilesIn(found)),
    config,
    before,
    unknown: was?.unknown ?? [],
  }
}

const CHOSEN = `
cd -- "$1" 2>/dev/null || exit 0
if [ -n "$COMPOSE_FILE$COMPOSE_ENV_FILES" ] || grep -q 'COMPOSE_FILE\\|COMPOSE_ENV_FILES' .env 2>/dev/null; then echo chosen; fi
`

/** Nothing here reads which files those are that Compose would start. */
async function requireDefaultFiles(ctx: StepContext, dir: string): Promise<void> {
  const { stdout } = await ctx.exec({ argv: ['sh', '-c', CHOSEN, 'hostops-chosen', dir], ...LOOKING })
  if (stdout === '') return
  const detail =
    'COMPOSE_FILE or COMPOSE_ENV_FILES selects other files: set files and envFiles in the playbook'
  throw new Failed({ code: 'compose-file-invalid', dir, detail })
}

type Seen = { found: Walked; strange: Power[] }
/** `config`: null where something strange is in the way. */
type Rendered = Seen & { config: ComposeConfig | null }

/** Side by side, because each of them waits for Compose: what the files of the commit give, and what those give that run. */
async function lookAround(ctx: StepContext, ground: Ground, question: Question, stack: Stack) {
  const { allow, opened, sha } = question
  const rendered = async (place: Ground, seen: Seen): Promise<Rendered> => {
    const isKnown = seen.strange.length === 0
    const rendering = { ground: place, opened, walked: seen.found, stack, sha }
    return { ...seen, config: isKnown ? await renderTree(ctx, rendering) : null }
  }
  const first = async () => {
    const isKnown = (key: string) => allow.includes(key)
    return rendered(ground, await walkAt(ctx, ground, question, { stack, commit: sha, isKnown }))
  }
  const [base, at] = await both(question.now.base, first())
  const written = base === null ? [] : await withReal(ctx, writableIn(base.config))
  if (at.strange.length + plantedPowers(at.found, written).length === 0) return { base, now: at }
  const place = { ...ground, written }
  return { base, now: await rendered(place, await withKnown(ctx, place, question, stack)) }
}

/** Both have ended, whatever became of the other. */
async function both<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other])
  return [await one, await other]
}

function groundOf({ opened }: Question, { dir }: Stack, real: Ground['real']): Ground {
  const below = posix.relative(real.repo, real.dir)
  const prefix = below === '..' || below.startsWith('../') || posix.isAbsolute(below) ? null : below
  return { opened, dir: canonicalPath(dir), prefix, real, written: [] }
}

/** Compose may put their values into any field. */
const envFilesIn = ({ own, outside }: Walked): string[] =>
  [...own, ...outside].flatMap(({ how, path }) => (/^(env_file|main-env)$/.test(how) ? [path] : []))

type At = { stack: Stack; commit: string; isKnown: (key: string) => boolean }

async function walkAt(
  ctx: StepContext,
  ground: Ground,
  { opened }: Question,
  { stack, commit, isKnown }: At,
): Promise<Seen> {
  const found = await walk(ctx, ground, commit, stack, isKnown)
  const paths = [...found.files].flatMap(([path, { kind }]) => (kind === 'blob' ? [path] : []))
  const attributes = await attributePowers(ctx, ground, opened, { sha: commit, paths })
  return { found, strange: [...found.powers, ...attributes.filter(({ key }) => !isKnown(key))] }
}

/** Files outside that the stack names today are its owner's: it may go on to name them. */
async function withKnown(ctx: StepContext, ground: Ground, question: Question, stack: Stack): Promise<Seen> {
  const known = new Set(question.allow)
  const head = question.opened.head.sha
  if (stack.project !== undefined)
    await walkAt(ctx, ground, question, { stack, commit: head, isKnown: key => known.add(key).has(key) })
  return walkAt(ctx, ground, question, { stack, commit: question.sha, isKnown: key => known.has(key) })
}

/** Between the judgement and the start, a container of the stack could write these, or replace them by links. */
const plantedPowers = ({ own }: Walked, written: readonly string[]): Power[] =>
  own
    .filter(file => isWritten(file, written))
    .map(({ how, service, path }) => outsidePower(service, how, path))

/** Git runs what the repository of a submodule names, and `.git` in its folder says which one that is. */
async function modulePowers(
  ctx: StepContext,
  ground: Ground,
  { sha, opened }: Question,
  [target, base]: readonly [ComposeConfig, ComposeConfig],
): Promise<Power[]> {
  const [had, wanted] = await Promise.all([base, target].map(each => withReal(ctx, writableIn(each))))
  const [modules, known] = await Promise.all([
    modulesIn(ctx, ground, sha, [...had!, ...wanted!]),
    modulesIn(ctx, ground, opened.head.sha, had!),
  ])
  return modules
    .filter(path => !known.includes(path))
    .map(path => power('', 'submodule', `the stack would mount the submodule ${path}`, path))
}

/** By the links that there are on the target, and those that are in the tree of the commit that each was rendered from. */
async function judged(
  ctx: StepContext,
  ground: Ground,
  { sha, opened }: Question,
  [target, base]: readonly [ComposeConfig, ComposeConfig | null],
): Promise<JudgedConfig[]> {
  const sides = [
    { config: target, at: sha },
    ...(base === null ? [] : [{ config: base, at: opened.head.sha }]),
  ]
  const profiles = sides.map(({ config }) => profilesIn(config, ground.dir))
  const named = sides.map(({ config }, side) => [...pathsIn(config), ...profiles[side]!])
  const [places, ...entries] = await Promise.all([
    resolved(ctx, [...new Set(named.flat())]),
    ...sides.map(({ at }, side) => entriesOf(ctx, ground, at, named[side]!)),
  ])
  const real = (path: string) => places.get(path) ?? path
  const behind = await Promise.all(
    sides.map(({ at }, side) => entriesOf(ctx, ground, at, profiles[side]!.map(real))),
  )
  const written = sides.flatMap(({ config }) => writableIn(config)).map(real)
  return sides.map(({ config, at: commit }, side) => {
    const versionOf = (path: string) => {
      if (isIn(real(path), writableIn(config).map(real))) return 'writable'
      const found = [entries[side]!.get(path), behind[side]!.get(real(path))]
      const entry = found.find(each => each?.kind !== 'live')
      if (entry?.kind === 'blob') return entry.oid
      // Each commit may have something else behind a link, and a name with a line break was not looked for.
      return entry || !found[0] ? commit : undefined
    }
    const place = (text: string): HostPath => {
      const path = posix.normalize(text)
      const at = real(path)
      const link = entries[side]!.get(path)
      const below = isIn(at, [ground.real.dir])
      // Other stacks of the checkout have their folders there, too; what git holds is the tree's.
      const held = link?.kind === 'blob' && isIn(at, [ground.real.repo])
      const within = (below || held) && !isBelow(at, written)
      return {
        path: at,
        within,
        own: within && below && !holdsRules(ground, at),
        ...(link?.kind === 'link' ? { link: `${link.path}@${link.oid.slice(0, 12)}` } : {}),
      }
    }
    return { config, powers: powersOf(withVersions(config, ground.dir, versionOf), place) }
  })
}

/** A writer there decides what the next upgrade starts. */
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
