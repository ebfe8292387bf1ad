/** The files that services read, as they were before the first change, put back on the way back. */

import { Failed } from '../../failure.ts'
import { plainText } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { AS_OWNER_OF_FOLDER } from '../git/owner.ts'
import { LOOKING } from '../stack/commands.ts'
import type { Stack } from './compose.ts'
import type { KeptStack } from './image-pins.ts'
import { CONFIG } from './project.ts'
import { renderedIn } from './saved-files.ts'

/**
 * A file that differs is kept beside the copy that takes its place, one that is gone gets its mode and owner back. One that
 * leads to another place than before is left: a container that can write the folder could aim it at any file of the host.
 * The compose files belong to the checkout and are left alone: Compose is asked whether they still give what they gave.
 */
const PUT_BACK = `
umask 077
dir=$1 rendered=$2; shift 2
# As the owner of the folder, who could put a link in the way of anybody else.
put() (
  cd -- "\${1%/*}/" 2>/dev/null || exit 1
  ${AS_OWNER_OF_FOLDER}
  $as sh -c 'cat >"$1"' hostops-put "./\${1##*/}" <"$2"
)
while [ "$1" != -- ]; do
  if at=$(cat "$2.at" 2>/dev/null); then now=$(readlink -f -- "$1"); else at=; now=; [ ! -L "$1" ] || now=link; fi
  if [ "$now" != "$at" ] || [ ! -r "$2" ]; then echo "left $1"
  elif ! cmp -s -- "$1" "$2"; then
    is=; [ -e "$1" ] || is=$(cat "$2.is" 2>/dev/null)
    cp -- "$1" "$2.replaced" 2>/dev/null
    if put "$1" "$2"; then echo "put back $1"; else echo "left $1"; fi
    if [ -n "$is" ]; then chmod "\${is%% *}" "$1" 2>/dev/null; chown "\${is#* }" "$1" 2>/dev/null; fi
  fi
  shift 2
done
shift
[ $# -gt 0 ] || exit 0
cd -- "$dir" 2>/dev/null
"$@" 2>/dev/null | cmp -s - "$rendered" || echo differs
exit 0
`

/** Which files it put back, which it had to leave, and whether the compose files give another stack than before. */
export async function putFilesBack(
  ctx: StepContext,
  stack: Stack,
  { folder, envFiles, renderedBy = [] }: KeptStack,
): Promise<{ replaced: string[]; left: string[]; differs: boolean }> {
  if (folder === null) return { replaced: [], left: [], differs: false }
  const argv = [
    ...['sh', '-c', PUT_BACK, 'hostops-put-back', canonicalPath(stack.dir), renderedIn(folder)],
    ...envFiles.flatMap(({ path, kept }) => [path, kept]),
    ...['--', ...(renderedBy.length > 0 ? [...renderedBy, ...CONFIG] : [])],
  ]
  const done = await ctx.exec({ argv, quiet: true })
  if (done.code !== 0) {
    const problem = `cannot put the files back: ${plainText(done.stderr).trim()}`
    throw new Failed({ code: 'not-restored', step: ctx.stepId, problem })
  }
  const said = done.stdout.split('\n')
  const after = (prefix: string) =>
    said.flatMap(line => (line.startsWith(prefix) ? [line.slice(prefix.length)] : []))
  return { replaced: after('put back '), left: after('left '), differs: said.includes('differs') }
}

const DIFFERING = `
while [ $# -gt 0 ]; do
  if cmp -s -- "$1" "$2"; then echo "same $1"; else echo "other $1"; fi
  shift 2
done
`

/** Throws where a file that services read is not what it was before the run. */
export async function requireFiles(ctx: StepContext, { folder, envFiles }: KeptStack): Promise<void> {
  if (folder === null || envFiles.length === 0) return
  const pairs = envFiles.flatMap(({ path, kept }) => [path, kept])
  const done = await ctx.exec({ argv: ['sh', '-c', DIFFERING, 'hostops-differing', ...pairs], ...LOOKING })
  const said = done.stdout.split('\n')
  const other = envFiles.filter(({ path }) => !said.includes(`same ${path}`)).map(({ path }) => path)
  for (const { path } of envFiles) {
    const ok = !other.includes(path)
    ctx.saw({ what: 'files', target: path, saw: ok ? 'as before' : 'not as before', ok })
  }
  if (other.length > 0) throw notPutBack(ctx, other)
}

export const notPutBack = (ctx: StepContext, files: readonly string[]) =>
  new Failed({
    code: 'not-restored',
    step: ctx.stepId,
    problem: `not as before the run: ${files.join(', ')}`,
  })
