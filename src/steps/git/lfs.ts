/** Files that hold a pointer where Git LFS should have put their content: an image built from them is broken. */

import type { StepContext } from '../contract/step.ts'
import { type Repo, readGit, unquoted } from './git.ts'

const POINTER = '^version https://git-lfs\\.github\\.com/spec/v1$'

export async function lfsPointers(ctx: StepContext, repo: Repo): Promise<string[]> {
  // Looking through every file is only worth it where some file says that LFS is in use.
  const attributes = [':(top,glob)**/.gitattributes']
  const used = await readGit(ctx, repo, ['grep', '-q', '-F', '-e', 'filter=lfs', '--', ...attributes])
  if (used.code !== 0) return []
  const found = await readGit(ctx, repo, ['grep', '-I', '-l', '-E', '-e', POINTER])
  return found.code === 0 ? found.stdout.split(/\r?\n/).filter(Boolean).map(unquoted) : []
}
