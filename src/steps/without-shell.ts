/**
 * What kinds cannot do on a target without a POSIX shell, which is Windows: much of what hostops does itself on a host is text for
 * one. Nothing is left out in silence: the plan, the check and the report name it.
 */

export type ShellLimits = {
  /** Why the step cannot run there at all; null: it can. */
  refused: string | null
  leftOut: readonly string[]
}

const GIT = ['whose the checkout and its submodules are', 'who holds a locked index']
const REMOTE = 'the check of a remote without the settings of the checkout'
const ROOM = 'free space for images'
const STACK = [
  'copies of the compose, env and config files for a rollback, which uses the files as they are then',
  'containers that differ from their files before the step',
  'files of other users that an error could quote',
  ROOM,
]

const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  'git.dirty-check': GIT,
  'git.fetch': [...GIT, REMOTE],
  'git.checkout': [...GIT, REMOTE],
  'compose.build': STACK,
  'compose.pull': STACK,
  'compose.up': STACK,
  'compose.rollout': STACK,
  'image.build': STACK,
}

const NEEDS_SHELL: ReadonlySet<string> = new Set(['compose.guard', 'env.set', 'files.snapshot'])

/** `given`: as validated. */
export function limitsWithoutShell(uses: string, given: unknown): ShellLimits {
  if (NEEDS_SHELL.has(uses)) return { refused: `${uses} needs a POSIX shell on the target`, leftOut: [] }
  const { shell = null } = given as { shell?: unknown }
  const leftOut =
    uses === 'script' && shell !== 'pwsh'
      ? [`${shell}, which is no part of Windows: the step needs one in PATH`]
      : []
  return { refused: null, leftOut: [...leftOut, ...(LEFT_OUT[uses] ?? [])] }
}
