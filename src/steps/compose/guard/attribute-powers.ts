/** A tree can have git write another text into the work tree than the one that it keeps, and that was judged. */
import { posix } from 'node:path'
import { Failed } from '../../../failure.ts'
import type { StepContext } from '../../contract/step.ts'
import { attributesBy } from '../../git/attributes.ts'
import type { Opened } from '../../git/repository.ts'
import { type Power, power } from '../../stack/power.ts'
import { entriesOf, type Ground, inTree } from '../../stack/tree-files.ts'

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
  const found = [...entries].flatMap(([path, entry]) => {
    const name = posix.join(files.get(path)!, '.gitattributes')
    // Git reads the text of a link of that name, too.
    const isFile = entry.kind === 'blob' || (entry.kind === 'link' && entry.path === name)
    return isFile ? [{ name, oid: entry.oid }] : []
  })
  const attributes = await attributesBy(ctx, repo, found, named)
  if (attributes === null)
    throw new Failed({
      code: 'compose-file-invalid',
      dir: ground.dir,
      detail: `at ${sha.slice(0, 12)}: git cannot read its .gitattributes`,
    })
  return attributes.map(({ path, attribute, value }) => {
    const what = attribute === 'filter' ? `the filter ${value}` : attribute
    const words = `the stack would have git apply ${what} to ${path}`
    return power('', 'attribute', words, `${attribute}:${value}:${path}`)
  })
}

const foldersAbove = (path: string): string[] =>
  path.split('/').map((_, at, all) => all.slice(0, at).join('/') || '.')
