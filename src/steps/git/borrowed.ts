/**
 * A check runs no program that the checkout names, and wherever git looks at a repository, it follows `.git/config`: to
 * filters, transports, credential helpers. So a check looks at a repository of its own, gone afterwards, which has the refs,
 * the index and the objects of the checkout, and of its settings only how files are compared.
 */
import { Failed } from '../../failure.ts'
import { commandFailed } from '../command/run-command.ts'
import { lines } from '../contract/plain-text.ts'
import type { StepContext } from '../contract/step.ts'
import { careful, enter, gitArgv, placeOf, type Repo, readGit } from './git.ts'

/** None of them names anything; what is not here is left out. */
const HARMLESS =
  '^core\\.(filemode|symlinks|ignorecase|precomposeunicode|autocrlf|eol|trustctime|checkstat|sparsecheckout(cone)?)$'

/** HARMLESS GIT...; in the checkout. The new folder is no repository until it has HEAD. */
const BORROW = `
umask 077
harmless=$1; shift
new=$(mktemp -d "\${TMPDIR:-/tmp}/hostops-check.XXXXXX") || exit 9
trap 'rm -rf "$new"' EXIT
trap 'exit 9' HUP INT TERM
mkdir "$new/refs" "$new/logs" "$new/objects" "$new/objects/info" &&
"$@" rev-parse --path-format=absolute --git-path objects >"$new/objects/info/alternates" &&
"$@" for-each-ref --format='%(objectname) %(refname)' >"$new/packed-refs" || exit 9
"$@" rev-parse --git-path index --git-path shallow --git-path info --git-path logs/refs \\
  --git-path FETCH_HEAD --git-path ORIG_HEAD | {
  for each in index shallow info logs/refs FETCH_HEAD ORIG_HEAD; do
    read -r from
    [ ! -e "$from" ] || cp -Rp -- "$from" "$new/$each" || exit 9
    [ "$each" != index ] || for shared in "\${from%index}"sharedindex.*; do
      [ ! -e "$shared" ] || cp -p -- "$shared" "$new" || exit 9
    done
  done
} || exit 9
{
  case $("$@" rev-parse --show-object-format) in
  sha256) printf '[extensions]\\n\\tobjectformat = sha256\\n[core]\\n\\trepositoryformatversion = 1\\n' ;;
  *) printf '[core]\\n\\trepositoryformatversion = 0\\n' ;;
  esac
  # A value of several lines could go on with another setting.
  "$@" config --get-regexp "$harmless" '^[a-z]*$' | sed -n 's/^core\\.\\([a-z]*\\) \\([a-z]*\\)$/\\t\\1 = \\2/p'
} >"$new/config"
"$@" remote | while read -r name; do
  url=$("$@" remote get-url --end-of-options "$name") || continue
  "$@" config --file "$new/config" "remote.$name.url" "$url" || exit 9
done || exit 9
"$@" rev-parse HEAD >"$new/HEAD" || exit 9
trap - EXIT
echo "$new"
`

export async function withBorrowed<T, O extends { repo: Repo }>(
  ctx: StepContext,
  opened: O,
  work: (borrowed: O) => Promise<T>,
): Promise<T> {
  const { repo } = opened
  // Without a POSIX shell there is no owner either but the one who runs this.
  if (!ctx.hasShell) return work(opened)
  const git = [...careful(repo.path), '--git-dir=.git', '--work-tree=.']
  const argv = enter(repo, ['sh', '-c', BORROW, 'hostops-borrow', HARMLESS, ...git])
  const done = await ctx.exec({ argv, ...placeOf(repo), quiet: true })
  const gitDir = done.stdout.trim()
  if (done.code !== 0 || !/^\/\S*hostops-check\.\w+$/.test(gitDir))
    throw commandFailed(gitArgv(repo, ['for-each-ref']), done)
  try {
    return await work({ ...opened, repo: { ...repo, gitDir } })
  } catch (error) {
    throw error instanceof Failed ? await explained(ctx, repo, error) : error
  } finally {
    await ctx.exec({ argv: ['rm', '-rf', '--', gitDir], repeatable: true, quiet: true }).catch(() => {})
  }
}

/** How a checkout reaches its remote where its own settings say so. */
const REACHES =
  '^(core\\.(sshcommand|gitproxy|askpass)|credential\\..*|http\\..*|remote\\..*\\.(uploadpack|proxy))$'

/** What a check leaves out may be why it cannot reach a remote that a run can. */
async function explained(ctx: StepContext, repo: Repo, error: Failed): Promise<Failed> {
  const { failure } = error
  if (failure.code !== 'fetch-failed') return error
  const listed = await readGit(ctx, repo, ['config', '--show-scope', '--name-only', '--get-regexp', REACHES])
  const own = lines(listed.stdout).flatMap(line => {
    const [, scope, name = ''] = /^(\S+)\t(.*)$/.exec(line) ?? []
    // A URL in the middle may hold a password.
    return scope === 'local' || scope === 'worktree' ? [name.replace(/\..*\./, '.')] : []
  })
  if (own.length === 0) return error
  const detail = `a check does not use ${[...new Set(own)].join(', ')} of .git/config, which a run uses: ${failure.detail}`
  return new Failed({ ...failure, detail })
}
