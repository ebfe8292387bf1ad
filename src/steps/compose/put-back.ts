/** The files of a stack as they were before the first change, put back or compared on the way back. */
import { Failed } from '../../failure.ts'
import { plainText } from '../plain-text.ts'
import type { StepContext } from '../step.ts'
import { type KeptComposeFile, type KeptFiles, renderedIn } from './keep.ts'

/**
 * Files that services read are put back: one that differs is kept beside the copy that takes its place, one that is gone
 * gets its mode and owner back. Compose files are only compared, because they belong to the checkout; what they reach is
 * compared by what compose makes of it, because it alone knows all the ways.
 */
const PUT_BACK = `
umask 077
dir=$1 rendered=$2 what=env; shift 2
while [ $# -gt 0 ]; do
  if [ "$1" = -- ]; then
    shift
    [ $what = env ] || break
    what=compose
    continue
  fi
  if [ $what = compose ]; then
    if [ -n "$2" ]; then cmp -s -- "$1" "$2"; else [ ! -e "$1" ]; fi || echo "compose $1"
  elif ! cmp -s -- "$1" "$2"; then
    [ -r "$2" ] || { echo "$2 is not there" >&2; exit 1; }
    is=; [ -e "$1" ] || is=$(cat "$2.is" 2>/dev/null)
    cp -- "$1" "$2.replaced" 2>/dev/null
    cat -- "$2" >"$1" || exit 1
    if [ -n "$is" ]; then chmod "\${is%% *}" "$1" 2>/dev/null; chown "\${is#* }" "$1" 2>/dev/null; fi
    echo "env $1"
  fi
  shift 2
done
[ -n "$rendered" ] || exit 0
cd -- "$dir" 2>/dev/null
"$@" config --format json 2>/dev/null | cmp -s - "$rendered" || echo reached
exit 0
`

type Given = { dir: string; folder: string | null } & Pick<
  KeptFiles,
  'envFiles' | 'composeFiles' | 'renderedBy'
>

/** Tells which files it put back, and which compose files are not what they were. */
export async function putFilesBack(
  ctx: StepContext,
  { dir, folder, envFiles, composeFiles, renderedBy }: Given,
): Promise<{ replaced: string[]; differing: string[] }> {
  if (envFiles.length + composeFiles.length === 0) return { replaced: [], differing: [] }
  const reaching = folder === null ? [] : (renderedBy ?? [])
  const rendered = folder === null || reaching.length === 0 ? '' : renderedIn(folder)
  const pairs = (files: readonly KeptComposeFile[]) => files.flatMap(({ path, kept }) => [path, kept ?? ''])
  const argv = [
    ...['sh', '-c', PUT_BACK, 'hostops-put-back', dir, rendered],
    ...[...pairs(envFiles), '--', ...pairs(composeFiles), '--', ...reaching],
  ]
  const done = await ctx.exec({ argv, quiet: true })
  if (done.code !== 0) {
    const problem = `cannot put the files back: ${plainText(done.stderr).trim()}`
    throw new Failed({ code: 'not-restored', step: ctx.stepId, problem })
  }
  const told = (what: string) =>
    done.stdout
      .split('\n')
      .flatMap(line => (line.startsWith(`${what} `) ? [line.slice(what.length + 1)] : []))
  const reached = /^reached$/m.test(done.stdout) ? ['what the compose files include or extend'] : []
  return { replaced: told('env'), differing: [...told('compose'), ...reached] }
}
