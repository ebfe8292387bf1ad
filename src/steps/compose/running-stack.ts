/**
 * The stack is what runs: the labels of its containers say from which files, env files, folder and project they were made.
 * Compose left to itself would find others, and replace a container without the mounts that the rest of its files gave it.
 */

import * as z from 'zod'
import { Failed, type StackDifference } from '../../failure.ts'
import { once } from '../contract/once.ts'
import { lines } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { inFolder } from '../stack/paths.ts'
import { composeArgv, docker, type Stack } from './compose.ts'
import { inspectReplicas, jsonOf, ofStacks } from './project.ts'
import { STATE_FOLDER } from './rollback-folder.ts'
import type { Replica } from './stability.ts'

/** A container, as far as it tells of which stack it is. */
export type Made = {
  id: string
  project: string
  service: string
  folder: string
  files: string[]
  envFiles: string[]
  running: boolean
}

/** As it is recorded. */
export type RunningStack = {
  dir: string
  files: string[]
  envFiles: string[]
  profiles: string[]
  project?: string
}

export const plainStack = ({ dir, files, envFiles, profiles, project }: Stack): RunningStack => ({
  dir,
  files,
  envFiles,
  profiles,
  ...(project === undefined ? {} : { project }),
})

/** Beside each configuration that hostops has kept: what that one was rendered from. */
const RECIPE = 'stack.json'

/** Throws `stack-differs` where the playbook names something else than what runs, and does not mean to. */
export async function runningStack(
  ctx: StepContext,
  given: Stack,
  services: readonly string[],
): Promise<Stack> {
  const { all, made } = await madeHere(ctx, given)
  if (made.length === 0 && !given.adopt) await requireNoNamesake(ctx, given, all)
  const stack = await unkept(ctx, chooseStack(given, made, services))
  await requireFiles(ctx, given, stack)
  return withRunningProfiles(ctx, stack, made, services)
}

/** Pure. Containers of the playbook's folder only. */
export function chooseStack(given: Stack, made: readonly Made[], services: readonly string[]): Stack {
  const named = given.project
  const ours = named === undefined ? made : made.filter(each => each.project === named)
  const wanted = ours.filter(each => services.includes(each.service))
  const all = wanted.length > 0 ? wanted : ours
  const [first] = all
  if (first === undefined) {
    // Named, and nothing of that name runs here: a second stack beside the one that does is not what an upgrade means.
    if (made.length === 0 || given.adopt) return given
    throw differs(given, [difference('project', unique(made.map(each => each.project)), [named!])])
  }
  const stack = stackOf(given, first)
  const others = all.filter(each => JSON.stringify(stackOf(given, each)) !== JSON.stringify(stack))
  const projects = unique(all.map(each => each.project))
  if (projects.length > 1) throw differs(given, [difference('project', projects, [])])
  if (given.adopt) return { ...stack, ...namedOf(given), ...(named ? { project: named } : {}) }
  if (others.length > 0) throw differs(given, [difference('files', unique(all.flatMap(shown)), given.files)])
  const against = [
    ...compared('files', absolute(stack, stack.files), absolute(given, given.files)),
    ...compared('env files', stack.envFiles, absolute(given, given.envFiles)),
  ]
  if (against.length > 0) throw differs(given, against)
  return { ...stack, profiles: given.profiles }
}

const namedOf = ({ files, envFiles }: Stack) => ({
  ...(files.length > 0 ? { files } : {}),
  ...(envFiles.length > 0 ? { envFiles } : {}),
})

const stackOf = (given: Stack, { project, folder, files, envFiles }: Made): Stack => ({
  ...given,
  dir: folder,
  project,
  files: files.length > 0 ? files : given.files,
  // Newer versions of Compose name the one that they find by themselves.
  envFiles: envFiles.length === 1 && envFiles[0] === inFolder(folder, '.env') ? [] : envFiles,
})

const shown = ({ service, files }: Made) => `${service}: ${files.join(', ')}`
const absolute = ({ dir }: Stack, files: readonly string[]) =>
  files.map(file => canonicalPath(inFolder(canonicalPath(dir), file)))

/** What is not named is left to what runs. */
const compared = (what: StackDifference['what'], runs: readonly string[], named: readonly string[]) =>
  named.length === 0 || runs.map(canonicalPath).join('\n') === named.join('\n')
    ? []
    : [difference(what, runs, named)]

const difference = (
  what: StackDifference['what'],
  runs: readonly string[],
  named: readonly string[],
): StackDifference => ({ what, runs: [...runs], named: [...named] })

const differs = ({ dir }: Stack, differences: StackDifference[]) =>
  new Failed({ code: 'stack-differs', dir: canonicalPath(dir), differences })

const unique = <T>(all: readonly T[]): T[] => [...new Set(all)]

const LABELS = [
  'project',
  'service',
  'project.working_dir',
  'project.config_files',
  'project.environment_file',
].map(name => `{{.Label "com.docker.compose.${name}"}}`)

/** By its containers; null where there are none. */
export async function projectOf(ctx: StepContext, given: Stack): Promise<string | null> {
  return given.project ?? (await madeHere(ctx, given)).made[0]?.project ?? null
}

async function madeHere(ctx: StepContext, given: Stack): Promise<{ all: Made[]; made: Made[] }> {
  const all = await madeContainers(ctx, given)
  const folder = canonicalPath(given.dir)
  const here = all.some(made => made.folder === folder) ? [] : await sameFolders(ctx, folder, all)
  return { all, made: all.filter(each => each.folder === folder || here.includes(each.folder)) }
}

/** The containers of one project, from the list that `runningStack` has looked at. */
export async function containersOf(ctx: StepContext, stack: Stack, project: string): Promise<Replica[]> {
  const made = await madeContainers(ctx, stack)
  const ids = made.flatMap(each => (each.project === project ? [each.id] : []))
  return inspectReplicas(ctx, stack, ids)
}

async function madeContainers(ctx: StepContext, { dir }: Pick<Stack, 'dir'>): Promise<Made[]> {
  const format = ['{{.ID}}', ...LABELS, '{{.State}}'].join('\t')
  const args = ['ps', '-a', '--no-trunc', '--format', format, ...ofStacks()]
  const { stdout } = await docker(ctx, canonicalPath(dir), args, LOOKING)
  return lines(stdout).map(line => {
    const [id = '', project = '', service = '', folder = '', files = '', envFiles = '', state] =
      line.split('\t')
    const list = (text: string) => text.split(',').filter(Boolean)
    const running = state === 'running' || state === 'restarting' || state === 'paused'
    return { id, project, service, folder, files: list(files), envFiles: list(envFiles), running }
  })
}

/** Folders that are this one under another spelling: a link leads to it. */
async function sameFolders(ctx: StepContext, folder: string, made: readonly Made[]): Promise<string[]> {
  const others = unique(made.map(each => each.folder)).filter(Boolean)
  if (!ctx.hasShell || others.length === 0) return []
  const script = 'dir=$1; shift; for each do [ "$each" -ef "$dir" ] && echo "$each"; done; true'
  const argv = ['sh', '-c', script, 'hostops-same', folder, ...others]
  return lines((await ctx.exec({ argv, ...LOOKING })).stdout)
}

/** A project of this name runs already, made from another folder: compose would replace its containers. */
async function requireNoNamesake(ctx: StepContext, given: Stack, all: readonly Made[]): Promise<void> {
  if (all.length === 0) return
  const argv = composeArgv(given, ['config', '--format', 'json'])
  const rendered = jsonOf((await ctx.exec({ argv, cwd: given.dir, ...LOOKING })).stdout)
  const name = (rendered as { name?: string } | null)?.name
  const folders = unique(all.flatMap(made => (made.project === name ? [made.folder] : [])))
  if (folders.length > 0) throw differs(given, [difference('folder', folders, [canonicalPath(given.dir)])])
}

/** A rollback may have brought containers back from a configuration that hostops has kept: of what that was made. */
async function unkept(ctx: StepContext, stack: Stack): Promise<Stack> {
  const [only] = stack.files
  if (!ctx.hasShell || stack.files.length !== 1 || !only?.endsWith('.json')) return stack
  const recipe = `${only.slice(0, only.lastIndexOf('/'))}/${RECIPE}`
  const argv = ['sh', '-c', READ_RECIPE, 'hostops-recipe', recipe, ctx.stateFolder ?? '']
  const made = recipeSchema().safeParse(jsonOf((await ctx.exec({ argv, ...LOOKING })).stdout))
  return made.success ? { ...stack, ...made.data } : stack
}

/** Nowhere but among what hostops itself has kept. */
const READ_RECIPE = `
state=$2
${STATE_FOLDER}
case $1 in *..*) ;; "$state"/rollback/*|"$home"/rollback/*) [ ! -f "$1" ] || cat -- "$1" ;; esac
`
const recipeSchema = once(() => z.object({ files: z.array(z.string()), envFiles: z.array(z.string()) }))

async function requireFiles(ctx: StepContext, given: Stack, { files, envFiles }: Stack): Promise<void> {
  if (!ctx.hasShell || files.length === 0) return
  const script = 'for file do [ -e "$file" ] || echo "$file"; done'
  const all = absolute(given, [...files, ...envFiles])
  const argv = ['sh', '-c', script, 'hostops-there', ...all]
  const gone = lines((await ctx.exec({ argv, ...LOOKING })).stdout)
  if (gone.length > 0) throw differs(given, [difference('gone', gone, [])])
}

/** No label tells them: a service that runs although it has a profile was started with that. */
async function withRunningProfiles(
  ctx: StepContext,
  stack: Stack,
  made: readonly Made[],
  services: readonly string[],
): Promise<Stack> {
  const runs = unique(made.flatMap(each => (each.running ? [each.service] : [])))
  if (services.length > 0 || runs.length === 0) return stack
  const asked = composeArgv({ ...stack, profiles: ['*'] }, ['config', '--format', 'json'])
  const rendered = jsonOf((await ctx.exec({ argv: asked, cwd: stack.dir, ...LOOKING })).stdout)
  const known = (rendered as { services?: Record<string, { profiles?: string[] }> } | null)?.services ?? {}
  const needed = runs.flatMap(service => {
    const own = known[service]?.profiles ?? []
    return own.some(profile => stack.profiles.includes(profile)) ? [] : own.slice(0, 1)
  })
  return { ...stack, profiles: unique([...stack.profiles, ...needed]) }
}
