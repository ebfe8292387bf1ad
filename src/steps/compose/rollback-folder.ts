/** Where a run keeps what a rollback of a stack needs: a folder of the target's user for each stack, run and part. */
import { createHash } from 'node:crypto'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { type Stack, stackLock } from './compose.ts'

/** For a script that has the runner's state folder in `$state`, or nothing: then it is the target user's. */
export const STATE_FOLDER = `
home=\${XDG_STATE_HOME:-\${HOME:+$HOME/.local/state}}
home=\${home:-/var/lib}/hostops
state=\${state:-$home}
`

/** Shell: the folder of this user for what a run keeps of a stack, named by `folderWords`. */
export const NAME = `
umask 077
state=$1 dir=$2 key=$3 run=$4 part=$5; shift 5
${STATE_FOLDER}
folder=$state/rollback/$key/$run/$part
`
/** The same, made where it is not there yet. */
export const FOLDER = `${NAME}
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
export type Named = Pick<Stack, 'dir' | 'project'>

/** One name for a stack among the folders of a user: readable, and never two stacks under one. */
const stackKey = (stack: Named) =>
  `${safe(canonicalPath(stack.dir).split('/').at(-1) ?? '')}-${shortHash(stackLock(stack))}`

const safe = (text: string) => text.replace(/[^A-Za-z0-9_.-]/g, '-').slice(0, 100) || 'stack'
const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8)
