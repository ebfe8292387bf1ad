/** Objects of a commit that a check needs and the checkout does not have: beside it, and gone afterwards. */

import { gitArgv, readGit, withoutSshPrompts } from '../../git/git.ts'
import { commitAt } from '../../git/ref.ts'
import type { Opened } from '../../git/repository.ts'
import type { StepContext } from '../../step.ts'

export type GitEnv = Readonly<Record<string, string>>
export const PLAIN: GitEnv = { GIT_OPTIONAL_LOCKS: '0', GIT_NO_REPLACE_OBJECTS: '1', LC_ALL: 'C' }

/** `work` gets null where the remote does not give the commit. */
export async function withCommit<T>(
  ctx: StepContext,
  opened: Opened,
  { sha, remote }: { sha: string; remote: string },
  work: (env: GitEnv | null) => Promise<T>,
): Promise<T> {
  if ((await commitAt(ctx, opened, sha)) !== null) return work(PLAIN)
  const folder = await newFolder(ctx)
  if (folder === null) return work(null)
  try {
    return await work(await fetched(ctx, opened, { sha, remote, folder }))
  } finally {
    await ctx.exec({ argv: ['rm', '-rf', '--', folder], repeatable: true, quiet: true }).catch(() => {})
  }
}

async function newFolder(ctx: StepContext): Promise<string | null> {
  const script = 'umask 077; mktemp -d "${TMPDIR:-/tmp}/hostops-objects.XXXXXX"'
  const done = await ctx.exec({ argv: ['sh', '-c', script], quiet: true })
  return /^\/\S*hostops-objects\.\w+\n$/.test(done.stdout) ? done.stdout.trim() : null
}

type Wanted = { sha: string; remote: string; folder: string }

async function fetched(
  ctx: StepContext,
  opened: Opened,
  { sha, remote, folder }: Wanted,
): Promise<GitEnv | null> {
  const place = ['rev-parse', '--path-format=absolute', '--git-path', 'objects']
  const objects = (await readGit(ctx, opened.repo, place)).stdout.trim()
  const ssh = await withoutSshPrompts(ctx, opened.repo)
  const quiet = [
    '-c',
    'gc.auto=0',
    '-c',
    'maintenance.auto=false',
    'fetch',
    '--quiet',
    '--no-write-fetch-head',
  ]
  const none = ['--no-tags', '--no-recurse-submodules', '--refmap=', '--end-of-options', remote, sha]
  const done = await ctx.exec({
    argv: gitArgv(opened.repo, [...ssh, ...quiet, ...none]),
    env: {
      ...PLAIN,
      GIT_TERMINAL_PROMPT: '0',
      GIT_ASKPASS: '',
      SSH_ASKPASS: '',
      GIT_OBJECT_DIRECTORY: folder,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: objects,
    },
    quiet: true,
  })
  return done.code === 0 ? { ...PLAIN, GIT_ALTERNATE_OBJECT_DIRECTORIES: folder } : null
}
