/**
 * The files of a stack as they were before the first change: the rendered configuration, the compose files and the env
 * files, in a folder of the target's user (0700, files 0600) and never in the work tree, which must stay clean.
 */
import { createHash } from 'node:crypto'
import { Failed } from '../../failure.ts'
import { canonicalPath } from '../fields.ts'
import type { StepContext } from '../step.ts'
import { composeArgv, inFolder, LOOKING, type Stack, stackLock, withComposeEnv } from './compose.ts'
import { type Hashes, hashesIn, RENDER } from './drift.ts'
import { composeFailed } from './failed.ts'
import { foreignIn, withoutQuotes } from './foreign.ts'
import { CONFIG, jsonOf, type Project, projectFrom, readRendered, withProfiles } from './project.ts'

type KeptFile = { path: string; kept: string }
export type DiskSeen = { root: string; freeBytes: number }
export type KeptFiles = {
  project: Project
  /** As compose renders it. */
  rendered: string
  hashes: Hashes
  /** Null on targets without a POSIX shell, where nothing is kept. */
  folder: string | null
  envFiles: KeptFile[]
  /** The words that render the stack; not in all that an older version kept. */
  renderedBy?: string[]
  disk: DiskSeen | null
}

/** For a script that has the runner's state folder in `$state`, or nothing: then it is the target user's. */
export const STATE_FOLDER = `
home=\${XDG_STATE_HOME:-\${HOME:+$HOME/.local/state}}
home=\${home:-/var/lib}/hostops
state=\${state:-$home}
`

const RULE = '--- hostops ---'
/** Shell: a folder of this user's for what a run keeps of a stack, named by `folderWords`. */
export const FOLDER = `
umask 077
state=$1 dir=$2 key=$3 run=$4 part=$5; shift 5
${STATE_FOLDER}
folder=$state/rollback/$key/$run/$part
mkdir -p "$folder" || exit 3
[ -f "$state/rollback/$key/dir" ] || printf '%s\\n' "$dir" >"$state/rollback/$key/dir"
`
/** `named`: the stack as the playbook names it, so that all runs of it find one folder. */
export const folderWords = (ctx: StepContext, named: Named, part: string) => [
  ctx.stateFolder ?? '',
  canonicalPath(named.dir),
  stackKey(named),
  safe(ctx.runId),
  shortHash(part),
]
type Named = Pick<Stack, 'dir' | 'project'>

/**
 * What a run has kept once stays as it is: a later step of the same run finds what was there before the first one. Of two
 * at once, both find what one of them has kept. Where no text can name env files of services, none are looked for.
 */
const KEEP = `${FOLDER}${RENDER}
recipe=$1 files=$2; shift 2
reads() {
  [ -n "$files" ] || return 0
  printf '%s\\n' "$files" | while IFS= read -r file; do grep -E 'env_file|include|extends|\\\\' -- "$file"; done | grep -q .
}
if [ ! -f "$folder/compose.json" ]; then
  new=$(mktemp -d "$folder/.new.XXXXXX") || exit 3
  docker info --format '{{.DockerRootDir}}' >"$new/root" 2>/dev/null &
  : >"$new/raw.json"
  reads && "$@" config --no-interpolate --format json >"$new/raw.json" 2>/dev/null &
  render "$new/compose.json" "$new/hashes" "$dir" "$@" config --format json ||
    { code=$?; wait; rm -rf "$new"; rmdir "$folder" 2>/dev/null; exit "$code"; }
  wait
  root=$(cat "$new/root")
  [ -z "$root" ] || df -Pk "$root" 2>/dev/null | awk 'NR == 2 { print $4 }' >"$new/free"
  printf %s "$recipe" >"$new/stack.json"
  echo '${RULE}' >"$new/rule"
  (cd "$new" && mv -n rule root free raw.json hashes stack.json compose.json "$folder" 2>/dev/null)
  rm -rf "$new"
fi
echo "$folder"
cd "$folder" && cat rule root rule free rule raw.json rule hashes rule compose.json 2>/dev/null
exit 0
`
const COPY = `
umask 077
folder=$1 n=0; shift
for file do
  n=$((n + 1))
  if [ -f "$folder/file.$n" ] || cp -- "$file" "$folder/file.$n" 2>/dev/null; then
    [ -f "$folder/file.$n.at" ] || readlink -f -- "$file" >"$folder/file.$n.at"
    [ -f "$folder/file.$n.is" ] || stat -c '%a %u:%g' -- "$file" >"$folder/file.$n.is" 2>/dev/null
    echo "$n"
  fi
done
exit 0
`
export async function keepFiles(
  ctx: StepContext,
  stack: Stack,
  services: readonly string[],
  named: Named,
): Promise<KeptFiles> {
  if (ctx.platform !== 'posix') {
    const { project, rendered } = await readRendered(ctx, stack, services)
    return { project, rendered, hashes: new Map(), folder: null, envFiles: [], disk: null }
  }
  const dir = canonicalPath(stack.dir)
  const prefix = composeArgv(withProfiles(stack, services), [])
  const words = folderWords(ctx, named, prefix.join('\u0000'))
  const files = stack.files.map(file => inFolder(dir, file))
  const recipe = JSON.stringify({ files: stack.files, envFiles: stack.envFiles })
  const argv = [
    'sh',
    '-c',
    KEEP,
    'hostops-keep',
    ...words,
    recipe,
    files.join('\n'),
    ...withComposeEnv(dir, prefix),
  ]
  const done = await ctx.exec({ argv, cwd: dir, ...LOOKING })
  const [folder = '', root = '', free = '', raw = '', hashes = '', rendered = ''] = done.stdout
    .split(`${RULE}\n`)
    .map(part => part.trim())
  if (done.code === 3)
    throw new Failed({
      code: 'state-unwritable',
      path: 'hostops/rollback on the target',
      problem: done.stderr,
    })
  if (done.code !== 0)
    throw withoutQuotes(composeFailed(dir, CONFIG[0]!, done, 'all'), await foreignIn(ctx, stack))
  return {
    project: projectFrom(rendered, stack, services),
    rendered,
    hashes: hashesIn(hashes),
    folder,
    renderedBy: prefix,
    envFiles: await copy(ctx, folder, filesReadBy(stack, raw, rendered)),
    disk: /^\d+$/.test(free) ? { root, freeBytes: Number(free) * 1024 } : null,
  }
}

/** The stack as it was rendered before the first change: needs no file of the checkout. */
export const renderedStack = (stack: Stack, kept: { folder: string; project: string }): Stack => ({
  ...stack,
  files: [renderedIn(kept.folder)],
  project: kept.project,
  profiles: ['*'],
})

export const renderedIn = (folder: string) => `${folder}/compose.json`

export async function missingFiles(
  ctx: StepContext,
  { folder, envFiles }: Pick<KeptFiles, 'folder' | 'envFiles'>,
): Promise<string[]> {
  if (folder === null) return []
  const files = [renderedIn(folder), ...envFiles.map(({ kept }) => kept)]
  const argv = ['sh', '-c', 'for file do [ -r "$file" ] || echo "$file"; done', 'hostops-look', ...files]
  return (await ctx.exec({ argv, ...LOOKING })).stdout.split('\n').filter(Boolean)
}

export async function freeBytes(ctx: StepContext, root: string): Promise<number | null> {
  const done = await ctx.exec({ argv: ['df', '-Pk', root], ...LOOKING })
  const kilobytes = /\n(?:.*\s)?\d+\s+\d+\s+(\d+)\s+\d+%/.exec(done.stdout)?.[1]
  return kilobytes === undefined ? null : Number(kilobytes) * 1024
}

/** One name for a stack among the folders of a user: readable, and never two stacks under one. */
const stackKey = (stack: Named) =>
  `${safe(canonicalPath(stack.dir).split('/').at(-1) ?? '')}-${shortHash(stackLock(stack))}`

async function copy(ctx: StepContext, folder: string, paths: readonly string[]): Promise<KeptFile[]> {
  const done = await ctx.exec({ argv: ['sh', '-c', COPY, 'hostops-copy', folder, ...paths], ...LOOKING })
  const there = done.stdout.split('\n').filter(Boolean).map(Number)
  return there.map(number => ({ path: paths[number - 1]!, kept: `${folder}/file.${number}` }))
}

/**
 * What compose substitutes from, and what services read, whatever file names it: env files (only what is spelled out,
 * since nothing here substitutes), configs and secrets.
 */
function filesReadBy(stack: Stack, raw: string, rendered: string): string[] {
  const dir = canonicalPath(stack.dir)
  const named = stack.envFiles.length > 0 ? stack.envFiles : ['.env']
  const services =
    (jsonOf(raw) as { services?: Record<string, { env_file?: unknown }> } | null)?.services ?? {}
  const read = Object.values(services)
    .flatMap(service => service?.env_file ?? [])
    .map(file => (typeof file === 'string' ? file : (file as { path?: unknown })?.path))
    .filter(file => typeof file === 'string')
  const absolute = [...named, ...read, ...mountedFiles(rendered)].map(file => inFolder(dir, file))
  return [...new Set(absolute)]
}

type Mounted = Record<string, { file?: unknown } | null>

/** The files of `configs` and `secrets`, absolute. */
export function mountedFiles(rendered: string): string[] {
  const { configs, secrets } = (jsonOf(rendered) ?? {}) as Record<'configs' | 'secrets', Mounted | undefined>
  return [...Object.values(configs ?? {}), ...Object.values(secrets ?? {})]
    .map(each => each?.file)
    .filter(file => typeof file === 'string')
}

const safe = (text: string) => text.replace(/[^A-Za-z0-9_.-]/g, '-').slice(0, 100) || 'stack'
const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8)
