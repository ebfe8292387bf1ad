/** The ways back of older runs go, nothing else does: names of our own making, folders of our own making. */

import { lines } from '../contract/plain-text.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { type HolderContainer, holdsFor, listHolders, removeHolders } from './holders.ts'
import { FAILED, type KeptStack, PINS } from './image-pins.ts'
import { STATE_FOLDER } from './rollback-folder.ts'

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
  const key = holdsFor(kept)
  const [names, listed, holders, used] = await Promise.all([
    namesOfOurs(ctx),
    listOf(ctx, kept, key),
    listHolders(ctx, key),
    filesInUse(ctx),
  ])
  // By the run as well, since the names of one project may begin with those of another.
  const ofProject = `${FAILED}/${kept.project.toLowerCase()}-`
  const failedIn = (runs: readonly string[]) =>
    names.filter(({ name }) => name.startsWith(ofProject) && runs.includes(tagOf(name)))
  if (kept.folder === null) return removeNames(ctx, failedIn([ctx.runId]))
  const those = (kind: string) => listed.flatMap(([first, ...rest]) => (first === kind ? [rest] : []))
  const own = parentOf(kept.folder)
  const runs = those('run').map(([folder = '']) => folder)
  const others = runs.filter(folder => nameOf(folder) !== nameOf(own) && OURS.test(nameOf(folder)))
  const old = others.slice(keep - (takenBack ? 0 : 1))
  const folders = takenBack ? [own, ...old] : old
  const namesFor = (stack: string) => {
    const elsewhere = those('pin').flatMap(([folder = '', name = '']) =>
      nameOf(folder) === stack ? [] : [name],
    )
    return names.filter(({ name }) => !elsewhere.includes(name.replace(/-rebuilt$/, '')))
  }
  const more = failedIn([own, ...runs].map(nameOf))
  await forget(ctx, { project: kept.project, folders, own, names: namesFor(key), holders, more, used })
  for (const [folder = '', ...dir] of those('gone'))
    if (folder !== own) await forgetGone(ctx, folder, dir.join('\t'), namesFor(nameOf(folder)))
}

async function listOf(ctx: StepContext, { folder }: KeptStack, key: string): Promise<string[][]> {
  if (folder === null) return []
  // <state>/rollback/<stack>/<run>/<part>
  const argv = ['sh', '-c', LIST, 'hostops-tidy', key, parentOf(parentOf(folder))]
  return lines((await ctx.exec({ argv, ...LOOKING })).stdout).map(line => line.split('\t'))
}

/** Its containers are its last trace: while there are any, somebody may still want it back. */
async function forgetGone(
  ctx: StepContext,
  folder: string,
  dir: string,
  names: readonly Named[],
): Promise<void> {
  const label = `label=com.docker.compose.project.working_dir=${dir}`
  const left = await ctx.exec({ argv: ['docker', 'ps', '-aq', '--filter', label], ...LOOKING })
  if (left.code !== 0 || left.stdout.trim() !== '') return
  const runs = await ctx.exec({ argv: ['ls', '-1', folder], ...LOOKING })
  const folders = lines(runs.stdout).filter(name => OURS.test(name) && name !== 'dir')
  const [holders, used] = await Promise.all([listHolders(ctx, nameOf(folder)), filesInUse(ctx)])
  await forget(ctx, { project: null, folders, own: '', names, holders, more: [], used })
  await ctx.exec({ argv: ['rm', '-rf', '--', folder], ...QUIET })
}

type Named = { name: string; id: string }
type Old = {
  project: string | null
  folders: readonly string[]
  own: string
  /** Without the pins of other stacks, which one run may have upgraded too. */
  names: readonly Named[]
  holders: readonly HolderContainer[]
  /** Names that go as well. */
  more: readonly Named[]
  /** The compose files that containers were made from. */
  used: string
}

/** Holders first: the engine refuses to take the last name of an image that a container is made of. */
async function forget(ctx: StepContext, old: Old): Promise<void> {
  const { project, folders, own, names, holders, more, used } = old
  const runs = new Set(folders.map(nameOf))
  const prefix = project === null ? `${PINS}/` : `${PINS}/${project.toLowerCase()}-`
  const isOld = ({ name }: Named) => {
    const tag = tagOf(name)
    return name.startsWith(prefix) && (runs.has(tag) || runs.has(tag.replace(/(-\d+)?(-rebuilt)?$/, '')))
  }
  const pins = names.filter(({ name }) => name.startsWith(`${PINS}/`))
  const staying = pins.filter(pin => !isOld(pin))
  await removeHolders(
    ctx,
    holders.filter(({ image }) => !staying.some(({ id }) => id.startsWith(image))),
  )
  const unused = folders.filter(folder => folder.includes('/') && !used.includes(`${folder}/`))
  await Promise.all([removeNames(ctx, [...more, ...pins.filter(isOld)]), removeFolders(ctx, own, unused)])
}

async function removeFolders(ctx: StepContext, own: string, folders: readonly string[]): Promise<void> {
  if (folders.length === 0) return
  await ctx.exec({ argv: ['sh', '-c', REMOVE, 'hostops-tidy', own, ...folders], ...QUIET })
}

/** A rollback may have made containers from a kept configuration, by which the next upgrade knows what their stack is. */
async function filesInUse(ctx: StepContext): Promise<string> {
  const format = '{{.Label "com.docker.compose.project.config_files"}}'
  return (await ctx.exec({ argv: ['docker', 'ps', '-a', '--format', format], ...LOOKING })).stdout
}

/** An image that a container runs keeps its name: the engine refuses, and that is right. The others go all the same. */
async function removeNames(ctx: StepContext, names: readonly Named[]): Promise<void> {
  if (names.length === 0) return
  await ctx.exec({ argv: ['docker', 'rmi', ...names.map(({ name }) => name)], ...QUIET })
}

async function namesOfOurs(ctx: StepContext): Promise<Named[]> {
  const format = '{{.Repository}}:{{.Tag}} {{.ID}}'
  const places = [FAILED, PINS].flatMap(place => ['--filter', `reference=${place}/*`])
  const argv = ['docker', 'image', 'ls', '--no-trunc', '--format', format, ...places]
  return lines((await ctx.exec({ argv, ...LOOKING })).stdout).map(line => {
    const [name = '', id = ''] = line.split(' ')
    return { name, id }
  })
}

const parentOf = (folder: string) => folder.split('/').slice(0, -1).join('/')
const nameOf = (folder: string) => folder.split('/').at(-1) ?? ''
const tagOf = (name: string) => name.slice(name.indexOf(':') + 1)
