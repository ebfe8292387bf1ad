/** The files that services read, as they were before the first change, put back on the way back. */
import { Failed } from '../../failure.ts'
import { canonicalPath } from '../fields.ts'
import { plainText } from '../plain-text.ts'
import type { StepContext } from '../step.ts'
import type { Stack } from './compose.ts'
import type { KeptStack } from './images.ts'
import { renderedIn } from './keep.ts'
import { CONFIG } from './project.ts'

/**
 * A file that differs is kept beside the copy that takes its place, one that is gone gets its mode and owner back. The
 * compose files belong to the checkout and are left alone: Compose is asked whether they still give what they gave.
 */
const PUT_BACK = `
umask 077
dir=$1 rendered=$2; shift 2
while [ "$1" != -- ]; do
  if ! cmp -s -- "$1" "$2"; then
    [ -r "$2" ] || { echo "$2 is not there" >&2; exit 1; }
    is=; [ -e "$1" ] || is=$(cat "$2.is" 2>/dev/null)
    cp -- "$1" "$2.replaced" 2>/dev/null
    cat -- "$2" >"$1" || exit 1
    if [ -n "$is" ]; then chmod "\${is%% *}" "$1" 2>/dev/null; chown "\${is#* }" "$1" 2>/dev/null; fi
    echo "put back $1"
  fi
  shift 2
done
shift
[ $# -gt 0 ] || exit 0
cd -- "$dir" 2>/dev/null
"$@" 2>/dev/null | cmp -s - "$rendered" || echo differs
exit 0
`

/** Tells which files it put back, and whether the compose files give another stack than before. */
export async function putFilesBack(
  ctx: StepContext,
  stack: Stack,
  { folder, envFiles, renderedBy = [] }: KeptStack,
): Promise<{ replaced: string[]; differs: boolean }> {
  if (folder === null) return { replaced: [], differs: false }
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
  const prefix = 'put back '
  const replaced = said.flatMap(line => (line.startsWith(prefix) ? [line.slice(prefix.length)] : []))
  return { replaced, differs: said.includes('differs') }
}
