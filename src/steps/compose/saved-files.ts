/**
 * The files of a stack as they were before the first change: the rendered configuration, the compose files and the env
 * files, in a folder of the target's user (0700, files 0600) and never in the work tree, which must stay clean.
 */

import { Failed } from '../../failure.ts'
import { lotsOf, PRINT_PIECE } from '../command/pieces.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING, withComposeEnv } from '../stack/commands.ts'
import { inFolder } from '../stack/paths.ts'
import { composeArgv, type Stack } from './compose.ts'
import { jsonOf, type Project, projectFrom, readRendered, withProfiles } from './project.ts'
import { type Hashes, hashesIn, renderStack } from './rendering.ts'
import { FOLDER, folderWords, NAME, type Named } from './rollback-folder.ts'

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

const RULE = '--- hostops ---'
/** What a run has kept once stays as it is: a later step of the same run finds what was there before the first one. */
const PRINT = `
echo "$folder"
[ -f "$folder/compose.json" ] || exit 0
cd "$folder" && cat rule root rule free rule raw.json rule hashes rule compose.json 2>/dev/null
exit 0
`
const KEPT = `${NAME}${PRINT}`
/**
 * `new`: the folder of an earlier lot, or nothing. With `last`, all becomes visible at once; of two runners, both find what one
 * of them has kept.
 */
const STORE = `${FOLDER}
new=$1 last=$2; shift 2
[ -n "$new" ] || new=$(mktemp -d "$folder/.new.XXXXXX") || exit 3
# The answer to the last lot was lost, and it is asked for again.
[ -d "$new" ] || set --
n=0; for name do ${PRINT_PIECE} >"$new/$name" || exit 3; n=$((n + 1)); done
[ -n "$last" ] || { echo "$new"; exit 0; }
[ ! -d "$new" ] || (
  cd "$new" || exit
  for name in rule root free raw.json hashes stack.json compose.json; do cat "$name".[0-9]* >"$name" 2>/dev/null; done
  mv -n rule root free raw.json hashes stack.json compose.json "$folder" 2>/dev/null
)
rm -rf "$new"
${PRINT}`
/** Where values are put in, nothing tells which files a service reads; where no text can name one, nobody is asked. */
const UNFILLED = `
files=$1; shift
reads() {
  [ -n "$files" ] || return 0
  printf '%s\\n' "$files" | while IFS= read -r file; do grep -E 'env_file|include|extends|\\\\' -- "$file"; done | grep -q .
}
! reads || "$@" config --no-interpolate --format json 2>/dev/null
exit 0
`
/** Prints the folder of the engine's images, and the KiB that are free there. */
const DISK = `
root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)
[ -n "$root" ] || exit 0
echo "$root"
df -Pk "$root" 2>/dev/null | awk 'NR == 2 { print $4 }'
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
  { named, disk: seeing }: { named: Named; disk: Promise<DiskSeen | null> },
): Promise<KeptFiles> {
  if (!ctx.hasShell) {
    const { project, rendered } = await readRendered(ctx, stack, services)
    return { project, rendered, hashes: new Map(), folder: null, envFiles: [], disk: null }
  }
  const whole = withProfiles(stack, services)
  const prefix = composeArgv(whole, [])
  const words = folderWords(ctx, named, prefix.join('\u0000'))
  const earlier = storedIn(await run(ctx, KEPT, words))
  const { folder, disk, raw, hashes, rendered } =
    earlier.rendered === '' ? await store(ctx, words, await readFiles(ctx, whole, seeing)) : earlier
  return {
    project: projectFrom(rendered, stack, services),
    rendered,
    hashes,
    folder,
    renderedBy: prefix,
    envFiles: await copy(ctx, folder, filesReadBy(stack, raw, rendered)),
    disk,
  }
}

/** By name of the file that it is going to be. */
async function readFiles(
  ctx: StepContext,
  stack: Stack,
  disk: Promise<DiskSeen | null>,
): Promise<Record<string, string>> {
  const dir = canonicalPath(stack.dir)
  const files = stack.files.map(file => inFolder(dir, file)).join('\n')
  const unfilled = ['hostops-unfilled', files, ...withComposeEnv(dir, composeArgv(stack, []))]
  const [{ rendered, hashes }, raw, seen] = await Promise.all([
    renderStack(ctx, stack),
    ctx.exec({ argv: ['sh', '-c', UNFILLED, ...unfilled], cwd: dir, ...LOOKING }),
    disk,
  ])
  return {
    rule: `${RULE}\n`,
    root: seen?.root ?? '',
    free: seen === null ? '' : `${seen.freeBytes / 1024}`,
    'raw.json': raw.stdout,
    hashes: [...hashes].map(each => each.join(' ')).join('\n'),
    'stack.json': JSON.stringify({ files: stack.files, envFiles: stack.envFiles }),
    'compose.json': rendered,
  }
}

async function store(
  ctx: StepContext,
  words: readonly string[],
  files: Record<string, string>,
): Promise<Stored> {
  const lots = lotsOf(Object.entries(files))
  let said = ''
  for (const [at, { keys, env }] of lots.entries()) {
    const last = at === lots.length - 1 ? 'last' : ''
    // Each in a file of its own: what is done twice does no harm.
    const names = keys.map((key, n) => `${key}.${String(1000 * at + n).padStart(7, '0')}`)
    said = await run(ctx, STORE, [...words, said.trim(), last, ...names], env)
  }
  return storedIn(said)
}

async function run(
  ctx: StepContext,
  script: string,
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const done = await ctx.exec({ argv: ['sh', '-c', script, 'hostops-keep', ...words], env, ...LOOKING })
  if (done.code === 0) return done.stdout
  throw unwritable(done.stderr)
}

const unwritable = (problem: string) =>
  new Failed({ code: 'state-unwritable', path: 'hostops/rollback on the target', problem })

type Stored = { folder: string; disk: DiskSeen | null; raw: string; hashes: Hashes; rendered: string }

function storedIn(said: string): Stored {
  const [folder = '', root = '', free = '', raw = '', hashes = '', rendered = ''] = said
    .split(`${RULE}\n`)
    .map(part => part.trim())
  return { folder, disk: diskIn(`${root}\n${free}`), raw, hashes: hashesIn(hashes), rendered }
}

/** Another lot of a text whose earlier ones are in `$draft`; with `last`, it gets its name. */
const KEEP_TEXT = `
umask 077
folder=$1 draft=$2 last=$3; shift 3
[ -n "$draft" ] || draft=$(mktemp "$folder/.text.XXXXXX") || exit 3
n=0; for part do ${PRINT_PIECE} >>"$draft" || exit 3; n=$((n + 1)); done
[ -z "$last" ] || { mv -f -- "$draft" "$folder/$last" && draft=$folder/$last; } || exit 3
echo "$draft"
`

/** Kept beside that: the configuration that ran, where the files give another one. Answers with its path. */
export async function keepText(
  ctx: StepContext,
  folder: string,
  name: string,
  text: string,
): Promise<string> {
  const lots = lotsOf([[name, text]])
  let path = ''
  for (const [at, { keys, env }] of lots.entries()) {
    const words = [folder, path, at === lots.length - 1 ? name : '', ...keys]
    const argv = ['sh', '-c', KEEP_TEXT, 'hostops-write', ...words]
    const done = await ctx.exec({ argv, env, quiet: true })
    if (done.code !== 0) throw unwritable(done.stderr)
    path = done.stdout.trim()
  }
  return path
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

/** Of the disk that holds the engine's images. Slow to answer: whoever has something else to ask begins with this. */
export async function seeDisk(ctx: StepContext): Promise<DiskSeen | null> {
  if (!ctx.hasShell) return null
  const { stdout } = await ctx.exec({ argv: ['sh', '-c', DISK], ...LOOKING })
  return diskIn(stdout)
}

const diskIn = (said: string): DiskSeen | null => {
  const [root = '', free = ''] = said.split('\n')
  return /^\d+$/.test(free) ? { root, freeBytes: Number(free) * 1024 } : null
}

export async function freeBytes(ctx: StepContext, root: string): Promise<number | null> {
  const done = await ctx.exec({ argv: ['df', '-Pk', root], ...LOOKING })
  const kilobytes = /\n(?:.*\s)?\d+\s+\d+\s+(\d+)\s+\d+%/.exec(done.stdout)?.[1]
  return kilobytes === undefined ? null : Number(kilobytes) * 1024
}

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
