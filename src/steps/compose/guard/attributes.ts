/** A tree can have git write another text into the work tree than the one that it keeps, and that was judged. */
import { posix } from 'node:path'
import { Failed } from '../../../failure.ts'
import { careful, enter, placeOf, unquoted } from '../../git/git.ts'
import type { Opened } from '../../git/repository.ts'
import { lines } from '../../plain-text.ts'
import type { StepContext } from '../../step.ts'
import { LOOKING } from '../compose.ts'
import { type Power, power } from './power.ts'
import { entriesOf, type Ground, inTree } from './tree.ts'

/** ENTRIES PATHS GIT...: git is asked over an index that holds nothing but these files of attributes. */
const ASK = `
umask 077
entries=$1 paths=$2; shift 2
top=$(mktemp -d "\${TMPDIR:-/tmp}/hostops-guard.XXXXXX") || exit 9
trap 'rm -rf "$top"' EXIT
trap 'exit 9' HUP INT TERM
export GIT_INDEX_FILE="$top/index"
printf '%s\\n' "$entries" | "$@" update-index --index-info || exit 9
printf '%s\\n' "$paths" | "$@" check-attr --cached --stdin working-tree-encoding ident filter
`

/** `paths`: files of the host that the tree of that commit is going to write. */
export async function attributePowers(
  ctx: StepContext,
  ground: Ground,
  { repo }: Opened,
  { sha, paths }: { sha: string; paths: readonly string[] },
): Promise<Power[]> {
  const named = paths.flatMap(path => inTree(ground, path) ?? [])
  const folders = [...new Set(named.flatMap(foldersAbove))]
  const files = new Map(folders.map(folder => [posix.join(repo.path, folder, '.gitattributes'), folder]))
  const entries = await entriesOf(ctx, ground, sha, [...files.keys()])
  const found = [...entries].flatMap(([path, entry]) =>
    entry.kind === 'blob' ? [`100644 ${entry.oid}\t${posix.join(files.get(path)!, '.gitattributes')}`] : [],
  )
  if (found.length === 0) return []
  const git = [...careful(repo.path), `--git-dir=${repo.gitDir ?? '.git'}`, '--work-tree=.']
  const words = ['sh', '-c', ASK, 'hostops-attributes', found.join('\n'), named.join('\n'), ...git]
  const done = await ctx.exec({ argv: enter(repo, words), ...placeOf(repo), ...LOOKING })
  if (done.code !== 0)
    throw new Failed({
      code: 'compose-file-invalid',
      dir: ground.dir,
      detail: `at ${sha.slice(0, 12)}: git cannot read its .gitattributes`,
    })
  return lines(done.stdout).flatMap(line => {
    const [, path = '', attribute = '', value = ''] = /^(.*): ([a-z-]+): (\S*)$/.exec(line) ?? []
    if (/^(unspecified|unset)$/.test(value)) return []
    const what = attribute === 'filter' ? `the filter ${value}` : attribute
    const words = `the stack would have git apply ${what} to ${unquoted(path)}`
    return [power('', 'attribute', words, `${attribute}:${value}:${unquoted(path)}`)]
  })
}

const foldersAbove = (path: string): string[] =>
  path.split('/').map((_, at, all) => all.slice(0, at).join('/') || '.')
