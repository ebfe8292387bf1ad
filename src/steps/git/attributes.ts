/** The attributes that files of a commit will have: git is asked over an index of nothing but its files of attributes. */
import { PRIVATE_FOLDER } from '../command/private-folder.ts'
import { lines } from '../contract/plain-text.ts'
import type { StepContext } from '../contract/step.ts'
import { careful, enter, placeOf, type Repo, unquoted } from './git.ts'

/** ENTRIES PATHS GIT... */
const ASK = `
entries=$1 paths=$2; shift 2
${PRIVATE_FOLDER}
export GIT_INDEX_FILE="$top/index"
printf '%s\\n' "$entries" | "$@" update-index --index-info || exit 9
printf '%s\\n' "$paths" | "$@" check-attr --cached --stdin working-tree-encoding ident filter
`

type Attribute = { path: string; attribute: string; value: string }

/** Those that are set. `files`: of attributes. Null: git cannot read them. */
export async function attributesBy(
  ctx: StepContext,
  repo: Repo,
  files: readonly { name: string; oid: string }[],
  paths: readonly string[],
): Promise<Attribute[] | null> {
  if (files.length === 0) return []
  const entries = files.map(({ name, oid }) => `100644 ${oid}\t${quoted(name)}`)
  const git = [...careful(repo.path), `--git-dir=${repo.gitDir ?? '.git'}`, '--work-tree=.']
  const words = [
    'sh',
    '-c',
    ASK,
    'hostops-attributes',
    entries.join('\n'),
    paths.map(quoted).join('\n'),
    ...git,
  ]
  const done = await ctx.exec({ argv: enter(repo, words), ...placeOf(repo), repeatable: true, quiet: true })
  if (done.code !== 0) return null
  return lines(done.stdout).flatMap(line => {
    const [, path = '', attribute = '', value = ''] = /^(.*): ([a-z-]+): (\S*)$/.exec(line) ?? []
    return /^(unspecified|unset)$/.test(value) ? [] : [{ path: unquoted(path), attribute, value }]
  })
}

/** As git reads a name from a line: one that begins with a quote would be another name. */
const quoted = (name: string) => `"${name.replaceAll(/["\\]/g, '\\$&')}"`
