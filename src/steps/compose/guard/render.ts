/** Renders a stack as a commit has it, in a private folder of the target, as if it stood where it is going to stand. */

import { isRecord } from '../../../document/is-record.ts'
import { Failed } from '../../../failure.ts'
import { PRIVATE_FOLDER } from '../../command/private-folder.ts'
import type { StepContext } from '../../contract/step.ts'
import { gitWords, placeOf } from '../../git/git.ts'
import type { Opened } from '../../git/repository.ts'
import { LOOKING, withComposeEnv } from '../../stack/commands.ts'
import { inFolder, isIn } from '../../stack/paths.ts'
import type { Ground } from '../../stack/tree-files.ts'
import type { Walked } from '../../stack/walk.ts'
import { composeArgv, type Stack } from '../compose.ts'
import { CONFIG, jsonOf } from '../project.ts'
import type { ComposeConfig } from './host-paths.ts'
import { pathsIn } from './powers.ts'

/** Stands for the private folder in what is passed to the script; no path of a host begins with it. */
const MIRROR = '/@mirror@'

/**
 * `git`: that many of the words that are left run git, the others Compose. What Compose says goes nowhere: a tree can have it
 * quote values of env files, and lines of any file.
 */
const RENDER = `
deeper=$1 dir=$2 files=$3 git=$4; shift 4
${PRIVATE_FOLDER}
mirror=$top/root$deeper
mkdir -p "$mirror$dir" || exit 9
n=0; while [ $n -lt "$files" ]; do
  path=$mirror$3 n=$((n + 1))
  mkdir -p "\${path%/*}" || exit 9
  if [ "$1" = live ]; then cat <"$2" >"$path" || exit 9; else printf '%s %s\\n' "$2" "$path" >>"$top/blobs"; fi
  shift 3
done
blob() {
  oid=$1 n=0 all=$(($# - 1)); shift
  while [ $n -lt $all ]; do word=$1; shift; [ $n -ge "$git" ] || set -- "$@" "$word"; n=$((n + 1)); done
  "$@" "$oid"
}
if [ -f "$top/blobs" ]; then
  while IFS= read -r line; do
    blob "\${line%% *}" "$@" </dev/null >"\${line#* }" || exit 9
  done <"$top/blobs"
fi
shift "$git"
n=0 all=$#
while [ $n -lt $all ]; do
  word=$1; shift; case $word in ${MIRROR}*) word=$mirror\${word#${MIRROR}} ;; esac
  set -- "$@" "$word"; n=$((n + 1))
done
echo "$mirror"
cd -- "$mirror$dir" || exit 9
"$@" 2>/dev/null
`

type Rendering = { ground: Ground; opened: Opened; walked: Walked; stack: Stack; sha: string }

/** With all profiles, in terms of paths of the host. */
export async function renderTree(ctx: StepContext, rendering: Rendering): Promise<ComposeConfig> {
  const { text, raw, mirror } = await render(ctx, rendering, '')
  const above = [`/${mirror.split('/')[1] ?? ''}`]
  // `..` beyond the top of the host leads into the folders above the mirror, and into others where that lies deeper.
  if (pathsIn(jsonOf(raw)).some(path => isIn(path, above) && !isIn(path, [mirror]))) {
    const again = await render(ctx, rendering, '/a/b/c')
    if (again.text !== text) throw unrendered(rendering, 'a path leads above /')
  }
  const config = jsonOf(text)
  if (!isRecord(config)) throw unrendered(rendering, 'it is not a configuration')
  return config
}

async function render(
  ctx: StepContext,
  rendering: Rendering,
  deeper: string,
): Promise<{ text: string; raw: string; mirror: string }> {
  const { ground, opened, walked, stack } = rendering
  const { dir } = ground
  const at = (name: string) => `${MIRROR}${inFolder(dir, name)}`
  const envFiles = stack.envFiles.map(at)
  const mirrored = { ...stack, dir: at(dir), files: walked.main.map(at), envFiles, profiles: ['*'] }
  const compose = withComposeEnv(dir, composeArgv(mirrored, CONFIG))
  const git = gitWords(opened.repo, ['cat-file', 'blob'])
  const files = [...walked.files].map(([path, entry]) =>
    entry.kind === 'blob' ? ['blob', entry.oid, path] : ['live', path, path],
  )
  const argv = [
    ...['sh', '-c', RENDER, 'hostops-guard', deeper, dir],
    ...[String(files.length), String(git.length), ...files.flat(), ...git, ...compose],
  ]
  const done = await ctx.exec({ argv, ...placeOf(opened.repo), ...LOOKING })
  const end = done.stdout.indexOf('\n')
  const mirror = done.stdout.slice(0, end)
  const without = (text: string) =>
    text.replaceAll(new RegExp(`${mirror}(?=["'\\s])`, 'g'), '/').replaceAll(mirror, '')
  if (done.code !== 0) throw unrendered(rendering, 'Compose cannot render it')
  const raw = done.stdout.slice(end + 1)
  return { text: without(raw), raw, mirror }
}

const unrendered = ({ ground, sha }: Rendering, problem: string) =>
  new Failed({ code: 'compose-file-invalid', dir: ground.dir, detail: `at ${sha.slice(0, 12)}: ${problem}` })
