/**
 * Every git command that hostops runs is made here.
 *
 * Inherited `GIT_*` variables: a transport can add variables but not take any away, and an empty GIT_DIR is an
 * error to git. So the folder is named outright (`--git-dir`, `--work-tree`, which also keeps git from climbing
 * to a repository further up), and `openRepository` looks whether index or objects are relocated all the same;
 * only then are git's own variables removed with `env -u`, so that a policy that allows `git` is normally enough.
 */
import { Failed } from '../../failure.ts'
import { commandFailed } from '../command/run-command.ts'
import type { Done, ExecRequest, StepContext } from '../step.ts'
import { indexLock } from './lock.ts'
import { asOwner, type Owner } from './owner.ts'

export type Repo = {
  readonly path: string
  /** Run behind `env -u`, because the target's environment points git elsewhere. */
  readonly scrubbed: boolean
  /** Git runs as that user, whose checkout it is. */
  readonly owner?: Owner
}

/** The variables that make git look at another repository than the one that is named. */
const RELOCATING = [
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_COMMON_DIR',
  'GIT_INDEX_FILE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_QUARANTINE_PATH',
  'GIT_NAMESPACE',
  'GIT_SHALLOW_FILE',
  'GIT_GRAFT_FILE',
  'GIT_REPLACE_REF_BASE',
  'GIT_PREFIX',
]

/** No prompt by any way, no translated text, no index written by a mere look. */
const GIT_ENV: Readonly<Record<string, string>> = {
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '',
  SSH_ASKPASS: '',
  SSH_ASKPASS_REQUIRE: 'never',
  GCM_INTERACTIVE: 'never',
  GIT_OPTIONAL_LOCKS: '0',
  // With it git takes what belongs to the user of sudo for root's own.
  SUDO_UID: '',
  LC_ALL: 'C',
}

export const repoAt = (path: string): Repo => ({ path, scrubbed: false })

export function gitArgv(repo: Repo, args: readonly string[]): string[] {
  const unset = repo.scrubbed ? ['env', ...RELOCATING.flatMap(name => ['-u', name])] : []
  return [
    ...(repo.owner === undefined ? unset : asOwner(repo.owner, GIT_ENV)),
    ...careful(repo),
    `--git-dir=${joined(repo.path, '.git')}`,
    `--work-tree=${repo.path}`,
    ...['-C', repo.path],
    ...args,
  ]
}

/** Git looks for the repository itself, and refuses that of another owner, which it does not when told where it is. */
export const discoveringArgv = (repo: Repo, args: readonly string[]): string[] => [
  ...careful(repo),
  ...['-C', repo.path],
  ...args,
]

const careful = ({ path }: Repo): string[] => [
  'git',
  // A replaced object would be checked out, verified and reported under the name of another.
  '--no-replace-objects',
  ...['-c', 'core.useReplaceRefs=false'],
  // Empty: whatever the settings say, no repository of another owner. Windows has groups as owners.
  ...['-c', `safe.directory=${path.startsWith('/') ? '' : path}`],
  ...['-c', 'core.hooksPath=/dev/null'],
  // A file system monitor is a program too, and may be wrong about what has changed.
  ...['-c', 'core.fsmonitor=false'],
  // ext:: URLs are programs, and the next commit's submodules may have such a URL.
  ...['-c', 'protocol.ext.allow=never'],
  // Names are escaped to plain ASCII instead of NUL-separated, because not every wire carries NUL and bytes.
  ...['-c', 'core.quotePath=true'],
  ...['-c', 'advice.detachedHead=false'],
  ...['-c', 'submodule.recurse=false'],
]

type Options = Pick<ExecRequest, 'keepBytes' | 'timeoutMs'> & { repeatable?: boolean; quiet?: boolean }

export function git(
  ctx: StepContext,
  repo: Repo,
  args: readonly string[],
  options: Options = {},
): Promise<Done> {
  // The owner may have no right to the runner's folder.
  const cwd = repo.owner === undefined ? {} : { cwd: '/' }
  return ctx.exec({ argv: gitArgv(repo, args), env: GIT_ENV, ...cwd, ...options })
}

export const discover = (ctx: StepContext, repo: Repo, args: readonly string[]): Promise<Done> =>
  ctx.exec({ argv: discoveringArgv(repo, args), env: GIT_ENV, repeatable: true, quiet: true })

/** A line for each file of a checkout, of which there may be hundreds of thousands. */
const MOST_MIB = 64

/** A look: may be repeated, and nobody needs to see it. */
export const readGit = (
  ctx: StepContext,
  repo: Repo,
  args: readonly string[],
  keepBytes = MOST_MIB * 2 ** 20,
) => git(ctx, repo, args, { repeatable: true, quiet: true, keepBytes })

/** A look that has to work; its output without the last newline. */
export async function ask(ctx: StepContext, repo: Repo, args: readonly string[]): Promise<string> {
  const done = await readGit(ctx, repo, args)
  if (done.code !== 0) throw commandFailed(gitArgv(repo, args), done)
  if (done.truncated.stdout) {
    throw new Failed({
      code: 'output-unreadable',
      argv: gitArgv(repo, args),
      problem: `more than ${MOST_MIB} MiB of it`,
    })
  }
  return done.stdout.replace(/\r?\n$/, '')
}

/** A change that has to work; a lock that is in the way is named with its holder. */
export async function change(ctx: StepContext, repo: Repo, args: readonly string[]): Promise<Done> {
  const done = await git(ctx, repo, args)
  if (done.code === 0) return done
  throw (await indexLock(ctx, repo.path, done)) ?? commandFailed(gitArgv(repo, args), done)
}

/**
 * Appends BatchMode to the user's own ssh command, because ssh asks on its own, whatever git is told. A
 * GIT_SSH_COMMAND in the step's `env` or on the target goes before this setting, as git has it.
 */
export async function withoutSshPrompts(ctx: StepContext, repo: Repo): Promise<string[]> {
  const own = await readGit(ctx, repo, ['config', '--get', 'core.sshCommand'])
  return ['-c', `core.sshCommand=${batchModeSsh(own.code === 0 ? own.stdout.trim() : '')}`]
}

export function batchModeSsh(own: string): string {
  const command = own === '' ? 'ssh' : own
  return /plink|putty/i.test(command) ? `${command} -batch` : `${command} -o BatchMode=yes`
}

/** Undoes git's quoting of names, as far as it is needed to show and to compare them. */
export function unquoted(name: string): string {
  if (!name.startsWith('"')) return name
  const bytes: number[] = []
  const body = name.slice(1, -1)
  for (let at = 0; at < body.length; at += 1) {
    if (body[at] !== '\\') bytes.push(body.charCodeAt(at))
    else if (/^[0-7]{3}$/.test(body.slice(at + 1, at + 4))) {
      bytes.push(Number.parseInt(body.slice(at + 1, at + 4), 8))
      at += 3
    } else {
      bytes.push((ESCAPED[body[at + 1] ?? ''] ?? body[at + 1] ?? '\\').charCodeAt(0))
      at += 1
    }
  }
  return Buffer.from(bytes).toString('utf8')
}

const ESCAPED: Record<string, string> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' }

const joined = (folder: string, name: string) => `${folder.replace(/[\\/]+$/, '')}/${name}`
