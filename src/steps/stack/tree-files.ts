/** Single files of a commit, and of the folder that it is going to be checked out in; never the whole of either. */
import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import { Failed } from '../../failure.ts'
import { lines } from '../contract/plain-text.ts'
import type { StepContext } from '../contract/step.ts'
import { ask, gitWords, placeOf, unquoted } from '../git/git.ts'
import type { Opened } from '../git/repository.ts'
import { LOOKING } from './commands.ts'

export type Ground = {
  /** Null: everything is as it lies there. */
  opened: Opened | null
  /** The stack's folder as it is named, and where it lies in the checkout; null: outside of it. */
  dir: string
  prefix: string | null
  /** Of the checkout and of the stack's folder, without links. */
  real: { repo: string; dir: string }
  /** Folders that containers of the stack can write: whatever is below may be a link of theirs. */
  written: readonly string[]
}

/** `blob`: of the tree; `live`: beside it, its owner's; `link`: in the tree, or the way leads through it. */
export type TreeEntry =
  | { kind: 'blob'; oid: string }
  | { kind: 'link'; path: string; oid: string }
  | { kind: 'live' }
  | { kind: 'gone' }

const REAL = 'for each do cd -- "$each" 2>/dev/null && pwd -P || echo "$each"; done'

export async function realFolders(ctx: StepContext, folders: readonly string[]): Promise<string[]> {
  const { stdout } = await ctx.exec({ argv: ['sh', '-c', REAL, 'hostops-real', ...folders], ...LOOKING })
  return folders.map((folder, at) => stdout.split('\n')[at] || folder)
}

/** Where a path of the host lies in the checkout; null: not in it. */
export function inTree({ dir, prefix, opened, real }: Ground, path: string): string | null {
  const below = (folder: string) =>
    path === folder ? '' : path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : null
  if (opened === null) return null
  const own = prefix === null ? null : below(dir)
  if (own !== null) return posix.join(prefix!, own).replace(/^\.$/, '')
  return below(opened.repo.path) ?? below(real.repo)
}

/** By path of the host. */
export async function entriesOf(
  ctx: StepContext,
  ground: Ground,
  sha: string,
  paths: readonly string[],
): Promise<Map<string, TreeEntry>> {
  const { opened } = ground
  if (opened === null) return new Map(paths.map(path => [path, { kind: 'live' }]))
  const named = paths.map(path => [path, inTree(ground, path)] as const)
  const wanted = [...new Set(named.flatMap(([, at]) => (at === null ? [] : prefixes(at))))]
  const [now, then] = await Promise.all([
    list(ctx, opened, sha, wanted),
    sha === opened.head.sha ? null : list(ctx, opened, opened.head.sha, wanted),
  ])
  return new Map(
    named.map(([path, at]) => [path, at === null ? { kind: 'live' } : entryAt(at, now, then ?? now)]),
  )
}

const prefixes = (path: string) =>
  path
    .split('/')
    .map((_, at, all) => all.slice(0, at + 1).join('/'))
    .filter(Boolean)

type Listed = ReadonlyMap<string, { mode: string; oid: string }>

async function list(
  ctx: StepContext,
  { repo }: Opened,
  sha: string,
  paths: readonly string[],
): Promise<Listed> {
  if (paths.length === 0) return new Map()
  const args = ['--literal-pathspecs', 'ls-tree', '-t', '--full-tree', sha, '--', ...paths]
  return new Map(
    lines(await ask(ctx, repo, args)).map(line => {
      const [mode = '', , oid = ''] = line.split(/[ \t]/)
      return [unquoted(line.slice(line.indexOf('\t') + 1)), { mode, oid }]
    }),
  )
}

/** The submodules in these folders of the host. */
export async function modulesIn(
  ctx: StepContext,
  ground: Ground,
  sha: string,
  folders: readonly string[],
): Promise<string[]> {
  const wanted = [...new Set(folders.flatMap(folder => inTree(ground, folder) || []))]
  if (ground.opened === null || wanted.length === 0) return []
  const args = ['--literal-pathspecs', 'ls-tree', '-r', '--full-tree', sha, '--', ...wanted]
  return lines(await ask(ctx, ground.opened.repo, args)).flatMap(line =>
    line.startsWith('160000 ') ? [unquoted(line.slice(line.indexOf('\t') + 1))] : [],
  )
}

const FILE = /^100/
const LINK = '120000'
const FOLDER = '040000'

function entryAt(path: string, now: Listed, then: Listed): TreeEntry {
  for (const each of prefixes(path)) {
    const found = now.get(each)
    // What the checkout takes away is gone, and what git has never known stays.
    if (found === undefined) return then.has(path) ? { kind: 'gone' } : { kind: 'live' }
    if (each === path && FILE.test(found.mode)) return { kind: 'blob', oid: found.oid }
    if (found.mode === LINK || (found.mode !== FOLDER && each !== path))
      return { kind: 'link', path: each, oid: found.oid }
  }
  return { kind: 'live' }
}

/** `real`: without links; null: not there. `text`: null where it was not asked for, or is too long. */
export type Read = { real: string | null; text: string | null }

const MOST_BYTES = 1024 * 1024

/** Nothing of a live file that lies outside the checkout and the stack, unless its owner has named it. */
const SCRIPT = `
rule=$1 most=$2 blobs=$3 live=$4; shift 4
b= ; i=0
while [ $i -lt "$blobs" ]; do b="$b $1"; shift; i=$((i + 1)); done
i=0
while [ $i -lt "$live" ]; do
  real=$(readlink -f -- "$1" 2>/dev/null) && [ -f "$real" ] || real=
  printf '%s\\n' "$real"
  inside=; case $real in "$2"/*|"$3"/*) inside=1 ;; esac
  if [ "$4" = all ] || [ "$4$inside" = own1 ]; then [ -z "$real" ] || head -c "$most" <"$real"; fi
  printf '\\n%s\\n' "$rule"
  shift 4; i=$((i + 1))
done
for oid in $b; do echo tree; "$@" "$oid" | head -c "$most"; printf '\\n%s\\n' "$rule"; done
`

/** `content`: of a live file, wherever a link leads; or inside the checkout and the stack only; or that it is there. */
export type WantedFile = { path: string; entry: TreeEntry; content: 'all' | 'own' | 'none' }

/** In the order in which they are asked for. */
export async function readFiles(
  ctx: StepContext,
  ground: Ground,
  files: readonly WantedFile[],
): Promise<Read[]> {
  if (files.length === 0) return []
  const rule = `--- ${randomBytes(12).toString('hex')} ---`
  const blobs = files.flatMap(({ entry }) => (entry.kind === 'blob' ? [entry.oid] : []))
  const live = files.filter(({ entry }) => entry.kind === 'live')
  const { repo, dir } = ground.real
  const argv = [
    ...[
      'sh',
      '-c',
      SCRIPT,
      'hostops-read',
      rule,
      String(MOST_BYTES),
      String(blobs.length),
      String(live.length),
    ],
    ...blobs,
    ...live.flatMap(({ path, content }) => [path, repo, dir, content]),
    ...(ground.opened === null ? [] : gitWords(ground.opened.repo, ['cat-file', 'blob'])),
  ]
  const done = await ctx.exec({
    argv,
    ...(ground.opened === null ? {} : placeOf(ground.opened.repo)),
    ...LOOKING,
  })
  if (done.truncated.stdout)
    throw new Failed({ code: 'compose-file-invalid', dir: ground.dir, detail: 'its files are too long' })
  const parts = done.stdout.split(`\n${rule}\n`)
  const next = { live: 0, blob: live.length }
  return files.map(({ entry }) => {
    if (entry.kind !== 'live' && entry.kind !== 'blob') return { real: null, text: null }
    const part = parts[next[entry.kind]++] ?? ''
    const first = part.slice(0, part.indexOf('\n'))
    const text = part.slice(first.length + 1)
    return {
      real: first === '' ? null : first,
      text: Buffer.byteLength(text) >= MOST_BYTES ? null : text,
    }
  })
}
