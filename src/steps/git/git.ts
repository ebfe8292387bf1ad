/**
 * Every git command that hostops runs is made here.
 *
 * Git is told where the repository is (`--git-dir`, `--work-tree`, which also keeps it from climbing to one further up), and
 * then neither asks whose it is nor notices another one under the same name. So it is started in the folder, once that folder
 * was seen to belong to the user that git runs as, and gets no name that could lead elsewhere by then.
 */
import { Failed } from '../../failure.ts'
import { commandFailed } from '../command/run-command.ts'
import type { CommandRequest, Done, StepContext } from '../contract/step.ts'
import { indexLock } from './index-lock.ts'
import { asOwner, type CheckoutOwner } from './owner.ts'

export type Repo = {
  readonly path: string
  /** Git runs as that user, whose checkout it is. */
  readonly owner?: CheckoutOwner
  /** That of a check, in place of the checkout's own. */
  readonly gitDir?: string
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
  // Grafts would give a commit other parents than it has.
  GIT_GRAFT_FILE: '/dev/null/none',
  LC_ALL: 'C',
}

/** FOLDER COMMAND... */
const ENTER = `
unset ${RELOCATING.join(' ')}
export ${Object.entries(GIT_ENV)
  .map(([name, value]) => `${name}=${value}`)
  .join(' ')}
cd -- "$1" 2>/dev/null || { echo "fatal: cannot change to '$1'" >&2; exit 128; }
# Where there is no .git yet, the owner of the folder can put one there before git looks.
if [ ! -O . ] || { [ -e .git ] && [ ! -O .git ]; }; then
  echo "fatal: '$1' does not belong to the user that git runs as" >&2
  exit 128
fi
shift
exec "$@"
`

export const repoAt = (path: string): Repo => ({ path })

/** As a person would type it: for a dry run, and for messages. */
export const gitArgv = ({ path, gitDir }: Repo, args: readonly string[]): string[] => [
  ...careful(path),
  ...[`--git-dir=${gitDir ?? joined(path, '.git')}`, `--work-tree=${path}`, '-C', path],
  ...args,
]

/** As it is executed, also by scripts. */
export function gitWords(repo: Repo, args: readonly string[]): string[] {
  if (!repo.path.startsWith('/')) return gitArgv(repo, args)
  const verb = args.find((word, at) => !word.startsWith('-') && args[at - 1] !== '-c')
  // A script that enters the folder again by its name: each of its commands has to find the repository, and see whose it is.
  const place = verb === 'submodule' ? [] : [`--git-dir=${repo.gitDir ?? '.git'}`, '--work-tree=.']
  return enter(repo, [...careful(repo.path), ...place, ...args])
}

/** A command in the folder of the checkout, as its owner. */
export const enter = ({ path, owner }: Repo, words: readonly string[]): string[] => [
  ...(owner === undefined ? [] : asOwner(owner)),
  ...['sh', '-c', ENTER, 'hostops-git', path],
  ...words,
]

export const careful = (path: string): string[] => [
  'git',
  // A replaced object would be checked out, verified and reported under the name of another.
  '--no-replace-objects',
  ...['-c', 'core.useReplaceRefs=false'],
  // Empty: whatever the settings say, no submodule of another owner. Windows has groups as owners.
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

type Options = Pick<CommandRequest, 'keepBytes' | 'timeoutMs'> & { repeatable?: boolean; quiet?: boolean }

export function git(
  ctx: StepContext,
  repo: Repo,
  args: readonly string[],
  options: Options = {},
): Promise<Done> {
  return ctx.exec({ argv: gitWords(repo, args), env: GIT_ENV, ...placeOf(repo), ...options })
}

/** The owner may have no right to the runner's folder. */
export const placeOf = ({ owner }: Repo): Pick<CommandRequest, 'cwd'> =>
  owner === undefined ? {} : { cwd: '/' }

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

/** Object names by the name of the ref. */
export async function objectsOf(ctx: StepContext, repo: Repo, refs: readonly string[]) {
  const text = await ask(ctx, repo, ['for-each-ref', '--format=%(objectname) %(refname)', ...refs])
  return new Map(
    text.split(/\r?\n/).map(line => [line.slice(line.indexOf(' ') + 1), line.split(' ')[0] ?? ''] as const),
  )
}
