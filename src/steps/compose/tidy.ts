/** The ways back of older runs go, nothing else does: names of our own making, folders of our own making. */

import { lines } from '../plain-text.ts'
import type { StepContext } from '../step.ts'
import { LOOKING } from './compose.ts'
import { holdsFor, removeHolders } from './holders.ts'
import { FAILED, type KeptStack, PINS } from './images.ts'
import { STATE_FOLDER } from './keep.ts'

const OURS = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/
const QUIET = { quiet: true, repeatable: true } as const

/**
 * With tabs between: `run <folder>` for the runs of this stack, the newest first, here and where an earlier release kept
 * them; `gone <folder> <dir>` for stacks whose own folder is no more; `pin <folder> <name>` for what any stack has pinned.
 */
const LIST = `
key=$1 state=\${2%/*/*}
${STATE_FOLDER}
ls -1dt "$state/rollback/$key"/*/ "$home/rollback/$key"/*/ 2>/dev/null | awk '!seen[$0]++' | while IFS= read -r folder; do
  printf 'run\\t%s\\n' "\${folder%/}"
done
for file in "$state"/rollback/*/dir; do
  dir=$(cat "$file" 2>/dev/null) && [ -n "$dir" ] && [ ! -e "$dir" ] && printf 'gone\\t%s\\t%s\\n' "\${file%/dir}" "$dir"
done
for file in "$state"/rollback/*/*/*/pins; do
  [ -f "$file" ] && while read -r name _; do printf 'pin\\t%s\\t%s\\n' "\${file%/*/*/pins}" "$name"; done <"$file"
done
exit 0
`
/** What this run's rollback has found and put aside is a person's: it stays until the set is an old one. */
const REMOVE = `
own=$1; shift
for folder do
  rm -f -- "$folder"/*/pins
  [ "$folder" = "$own" ] && [ -n "$(find "$folder" -name '*.replaced' 2>/dev/null | head -n 1)" ] || rm -rf -- "$folder"
done
`

/**
 * Of this stack and this user; the newest `keep` stay, the present run among them, unless all that it did was taken back:
 * then nobody will ask for its way back.
 */
export async function forgetOld(
  ctx: StepContext,
  kept: KeptStack,
  keep: number,
  takenBack = false,
): Promise<void> {
  if (kept.folder === null) return forgetFailed(ctx, kept, [ctx.runId])
  const key = holdsFor(kept)
  // <state>/rollback/<stack>/<run>/<part>
  const own = kept.folder.split('/').slice(0, -1).join('/')
  const argv = ['sh', '-c', LIST, 'hostops-tidy', key, own.split('/').slice(0, -1).join('/')]
  const listed = lines((await ctx.exec({ argv, ...LOOKING })).stdout).map(line => line.split('\t'))
  const those = (kind: string) => listed.flatMap(([first, ...rest]) => (first === kind ? [rest] : []))
  const runs = those('run').map(([folder = '']) => folder)
  await forgetFailed(ctx, kept, [own, ...runs].map(nameOf))
  const elsewhere = (stack: string) =>
    new Set(those('pin').flatMap(([folder = '', name = '']) => (nameOf(folder) === stack ? [] : [name])))
  const others = runs.filter(folder => nameOf(folder) !== nameOf(own) && OURS.test(nameOf(folder)))
  const old = others.slice(keep - (takenBack ? 0 : 1))
  const folders = takenBack ? [own, ...old] : old
  await forget(ctx, key, { project: kept.project, folders, own, elsewhere: elsewhere(key) })
  for (const [folder = '', ...dir] of those('gone'))
    if (folder !== own) await forgetGone(ctx, folder, dir.join('\t'), elsewhere(nameOf(folder)))
}

/** By the run, since the names of one project may begin with those of another. */
async function forgetFailed(
  ctx: StepContext,
  { project }: KeptStack,
  runs: readonly string[],
): Promise<void> {
  await removeNames(ctx, `${FAILED}/${project.toLowerCase()}-`, name => runs.includes(tagOf(name)))
}

/** Its containers are its last trace: while there are any, somebody may still want it back. */
async function forgetGone(
  ctx: StepContext,
  folder: string,
  dir: string,
  elsewhere: ReadonlySet<string>,
): Promise<void> {
  const label = `label=com.docker.compose.project.working_dir=${dir}`
  const left = await ctx.exec({ argv: ['docker', 'ps', '-aq', '--filter', label], ...LOOKING })
  if (left.code !== 0 || left.stdout.trim() !== '') return
  const runs = await ctx.exec({ argv: ['ls', '-1', folder], ...LOOKING })
  const folders = lines(runs.stdout).filter(name => OURS.test(name) && name !== 'dir')
  await forget(ctx, nameOf(folder), { project: null, folders, own: '', elsewhere })
  await ctx.exec({ argv: ['rm', '-rf', '--', folder], ...QUIET })
}

/** `elsewhere`: pins of other stacks, which one run may have upgraded too. */
type Old = {
  project: string | null
  folders: readonly string[]
  own: string
  elsewhere: ReadonlySet<string>
}

/** Holders first: the engine refuses to take the last name of an image that a container is made of. */
async function forget(
  ctx: StepContext,
  key: string,
  { project, folders, own, elsewhere }: Old,
): Promise<void> {
  const old = new Set(folders.map(nameOf))
  const prefix = project === null ? `${PINS}/` : `${PINS}/${project.toLowerCase()}-`
  const isOld = (name: string) => {
    const tag = tagOf(name)
    if (!name.startsWith(prefix) || elsewhere.has(name.replace(/-rebuilt$/, ''))) return false
    return old.has(tag) || old.has(tag.replace(/(-\d+)?(-rebuilt)?$/, ''))
  }
  const pins = await named(ctx, PINS)
  await removeHolders(ctx, key, new Set(pins.flatMap(({ name, id }) => (isOld(name) ? [] : [id]))))
  await removeNames(ctx, prefix, isOld)
  const used = await filesInUse(ctx)
  const paths = folders.filter(folder => folder.includes('/') && !used.includes(`${folder}/`))
  if (paths.length > 0)
    await ctx.exec({ argv: ['sh', '-c', REMOVE, 'hostops-tidy', own, ...paths], ...QUIET })
}

/** A rollback may have made containers from a kept configuration, by which the next upgrade knows what their stack is. */
async function filesInUse(ctx: StepContext): Promise<string> {
  const format = '{{.Label "com.docker.compose.project.config_files"}}'
  return (await ctx.exec({ argv: ['docker', 'ps', '-a', '--format', format], ...LOOKING })).stdout
}

/** An image that a container runs keeps its name: the engine refuses, and that is right. */
async function removeNames(
  ctx: StepContext,
  prefix: string,
  isOld: (name: string) => boolean,
): Promise<void> {
  const names = (await named(ctx, prefix.split('/').slice(0, 2).join('/'))).map(({ name }) => name)
  for (const name of names)
    if (name.startsWith(prefix) && isOld(name)) await ctx.exec({ argv: ['docker', 'rmi', name], ...QUIET })
}

/** All images under names of ours. */
async function named(ctx: StepContext, place: string): Promise<{ name: string; id: string }[]> {
  const format = '{{.Repository}}:{{.Tag}} {{.ID}}'
  const only = ['--no-trunc', '--format', format, '--filter', `reference=${place}/*`]
  const listed = await ctx.exec({ argv: ['docker', 'image', 'ls', ...only], ...LOOKING })
  return lines(listed.stdout).map(line => {
    const [name = '', id = ''] = line.split(' ')
    return { name, id }
  })
}

const nameOf = (folder: string) => folder.split('/').at(-1) ?? ''
const tagOf = (name: string) => name.slice(name.indexOf(':') + 1)
