/** Follows the files that a stack is made of at a commit, as Compose would, without letting Compose read one of them. */

import { posix } from 'node:path'
import { Failed } from '../../failure.ts'
import type { StepContext } from '../contract/step.ts'
import { inFolder, isBelow, isIn } from './paths.ts'
import { type Power, power } from './power.ts'
import { type FileReference, referencesIn } from './references.ts'
import { entriesOf, type Ground, type Read, readFiles, type TreeEntry } from './tree-files.ts'

/** As far as Compose begins with it. */
type Stack = { files: readonly string[]; envFiles: readonly string[] }

export type Walked = {
  /** The compose files that the stack begins with. */
  main: string[]
  /** What Compose has to find to render the stack, by its path on the host. */
  files: Map<string, TreeEntry>
  /** Files that were not followed, because they do not belong to the stack. */
  powers: Power[]
  outside: OutsideFile[]
  /** Files that belong to the stack, whether they are there yet or not. */
  own: OwnFile[]
}

/** `service`: null where it is read for the whole stack. */
export type OutsideFile = { how: Item['how']; service: string | null; path: string }
export type OwnFile = OutsideFile & { real: string }

type Item = {
  path: string
  /** What names in it are relative to. */
  base: string
  /** Such names lead Compose to the host itself, and not to what lies in the mirror. */
  isReal: boolean
  /** So does its own name. */
  wasReal: boolean
  how: FileReference['how'] | 'main' | 'main-env'
  service: string | null
  optional: boolean
}

const MOST_ROUNDS = 8
const MOST_FILES = 100
const DEFAULTS = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml']
/** In another order than those. */
const OVERRIDES = ['compose', 'docker-compose'].flatMap(name => [
  `${name}.override.yml`,
  `${name}.override.yaml`,
])

export async function walk(
  ctx: StepContext,
  ground: Ground,
  sha: string,
  stack: Stack,
  isAllowed: (key: string) => boolean,
): Promise<Walked> {
  const walked: Walked = { main: [], files: new Map(), powers: [], outside: [], own: [] }
  const seen = new Set<string>()
  let round = await firstItems(ctx, ground, sha, stack)
  for (let rounds = 0; round.length > 0; rounds += 1) {
    if (rounds === MOST_ROUNDS || seen.size > MOST_FILES) throw invalid(ground, 'it names too many files')
    const fresh = [...new Map(round.map(item => [keyOf(item), item])).values()].filter(
      item => !seen.has(keyOf(item)),
    )
    for (const item of fresh) seen.add(keyOf(item))
    const entries = await entriesOf(
      ctx,
      ground,
      sha,
      fresh.map(item => item.path),
    )
    const wanted = fresh.map(item => ({
      path: item.path,
      entry: entries.get(item.path)!,
      content: contentOf(item),
    }))
    const read = await readFiles(ctx, ground, wanted)
    round = fresh.flatMap((item, at) =>
      take({ ground, walked, isAllowed }, { item, entry: wanted[at]!.entry, read: read[at]! }),
    )
  }
  return walked
}

const keyOf = ({ path, base, how, service, isReal, wasReal }: Item) =>
  JSON.stringify([path, base, how, service, isReal, wasReal])
const contentOf = ({ how }: Item) => {
  if (how === 'main') return 'all' as const
  return how === 'include' || how === 'extends' ? ('own' as const) : ('none' as const)
}

async function firstItems(ctx: StepContext, ground: Ground, sha: string, stack: Stack): Promise<Item[]> {
  const { dir } = ground
  const item = (name: string, how: Item['how']): Item => ({
    path: posix.normalize(inFolder(dir, name)),
    base: dir,
    isReal: false,
    wasReal: false,
    how,
    service: null,
    optional: how === 'main-env',
  })
  const files = stack.files.length > 0 ? stack.files : await defaultFiles(ctx, ground, sha)
  const env = [...stack.envFiles, '.env']
  return [...files.map(name => item(name, 'main')), ...env.map(name => item(name, 'main-env'))]
}

/** The first of each that there is, as Compose does it. */
async function defaultFiles(ctx: StepContext, ground: Ground, sha: string): Promise<string[]> {
  const paths = [...DEFAULTS, ...OVERRIDES].map(name => `${ground.dir}/${name}`)
  const entries = await entriesOf(ctx, ground, sha, paths)
  const live = paths.filter(path => entries.get(path)!.kind === 'live')
  const read = await readFiles(
    ctx,
    ground,
    live.map(path => ({ path, entry: { kind: 'live' }, content: 'none' })),
  )
  const isThere = (name: string) => {
    const path = `${ground.dir}/${name}`
    const { kind } = entries.get(path)!
    return kind === 'live' ? read[live.indexOf(path)]!.real !== null : kind !== 'gone'
  }
  const main = DEFAULTS.find(isThere)
  if (main === undefined)
    throw new Failed({
      code: 'compose-file-missing',
      dir: ground.dir,
      detail: `${sha.slice(0, 12)} has none`,
    })
  const override = OVERRIDES.find(isThere)
  return override === undefined ? [main] : [main, override]
}

type Walk = { ground: Ground; walked: Walked; isAllowed: (key: string) => boolean }
type Found = { item: Item; entry: TreeEntry; read: Read }

/** What it names is next. */
function take(walk: Walk, found: Found): Item[] {
  const { ground, walked } = walk
  const { item, entry, read } = found
  const { path, how, service } = item
  if (how === 'main') walked.main.push(path)
  // What Compose would read there is what lies there now. Values for a container alone decide nothing.
  if (item.wasReal && entry.kind !== 'live' && (how !== 'env_file' || service === null))
    throw invalid(ground, `${path} has an absolute name: use a path relative to the compose file`)
  if (entry.kind === 'gone' || !admit(walk, found)) return []
  if (entry.kind === 'live' && read.real === null) return []
  walked.files.set(path, entry)
  if (how === 'main-env') for (const each of ownVariables(entry, read.text)) note(walk, each)
  if (how !== 'main' && how !== 'include' && how !== 'extends') return []
  const references = read.text === null ? null : referencesIn(read.text)
  if (references === null) throw invalid(ground, `${path} is not plain YAML that the guard can follow`)
  return references.flatMap(reference => follow(walk, item, reference))
}

/** Whether it may be followed: it is the stack's own, or allowed although it is not. */
function admit({ ground, walked, isAllowed }: Walk, { item, entry, read }: Found): boolean {
  const { path, how, service } = item
  const own = { how, service, path, real: read.real ?? path }
  const place =
    entry.kind === 'link' ? `${entry.path} (a link of the tree)` : livePlace(ground, own, entry, read)
  if (place === null) {
    walked.own.push(own)
    return true
  }
  walked.outside.push({ how, service, path: place })
  return note({ walked, isAllowed }, outsidePower(service, how, place)) && entry.kind !== 'link'
}

/** Null: the stack's own. */
function livePlace(ground: Ground, file: OwnFile, entry: TreeEntry, read: Read): string | null {
  const { how, path, real } = file
  if (isWritten(file, ground.written)) return path
  // Named by the owner, but for a link that a tree may have put there.
  const isOwners =
    (how === 'main' || how === 'main-env') && (ground.opened !== null || !isWithin(ground, path))
  if (isOwners || entry.kind === 'blob' || read.real === null) return null
  // Beside the tree, the rest of the checkout may be another stack's.
  const isOwn = ground.opened === null ? isWithin(ground, real) : isIn(real, [ground.dir, ground.real.dir])
  return isOwn ? null : real
}

/** A link needs the folder; words that decide something need no more than the file. */
export const isWritten = ({ how, service, path, real }: OwnFile, folders: readonly string[]): boolean =>
  [path, real].some(each =>
    how === 'env_file' && service !== null ? isBelow(each, folders) : isIn(each, folders),
  )

function follow(walk: Walk, from: Item, { how, service, name, folder, implied }: FileReference): Item[] {
  const { ground, walked } = walk
  const at = (text: string) => posix.normalize(posix.isAbsolute(text) ? text : posix.join(from.base, text))
  const path = at(name)
  // Compose's own way to say that there is none.
  if (how === 'env_file' && name === '/dev/null') return []
  const base = folder === null ? posix.dirname(path) : at(folder)
  const isReal = (text: string) => posix.isAbsolute(text) || from.isReal || climbs(from.base, text)
  const isPlain = !/[$:~\u0000-\u001f]|^github\.com\//.test(name + (folder ?? ''))
  if (!isPlain || !isWithin(ground, path) || !isWithin(ground, base)) {
    if (implied) return []
    const place = isPlain ? path : name
    walked.outside.push({ how, service, path: place })
    if (!note(walk, outsidePower(service, how, place)) || !isPlain) return []
  }
  const item = { path, base, how, service, optional: implied === true }
  return [{ ...item, isReal: isReal(folder ?? name), wasReal: isReal(name) }]
}

/** Beyond the top of the host: from the mirror, that leads out of it. */
const climbs = (base: string, name: string) => /^\.\.(\/|$)/.test(posix.join(base.slice(1) || '.', name))

/** Whether it may be followed all the same. */
function note({ walked, isAllowed }: Pick<Walk, 'walked' | 'isAllowed'>, found: Power): boolean {
  if (isAllowed(found.key)) return true
  walked.powers.push(found)
  return false
}

const isWithin = ({ dir, opened, real }: Ground, path: string) =>
  [dir, opened?.repo.path ?? dir, real.dir, real.repo].some(
    folder => path === folder || path.startsWith(`${folder}/`),
  )

export function outsidePower(service: string | null, how: string, place: string): Power {
  const words =
    how === 'include'
      ? `would include ${place}`
      : `would read ${place} of the host as ${how.replace('main', 'compose file')}`
  return power(service ?? '', how, `${service ?? 'the stack'} ${words}`, place)
}

/** An env file of the tree may tell Compose itself what to do. */
const ownVariables = (entry: TreeEntry, text: string | null): Power[] =>
  entry.kind !== 'blob'
    ? []
    : [...new Set((text ?? '').match(/\bCOMPOSE_[A-Z_]+/g))].map(name =>
        power('', 'variable', `the stack would set ${name} for Compose`, name),
      )

const invalid = ({ dir }: Ground, detail: string) => new Failed({ code: 'compose-file-invalid', dir, detail })
