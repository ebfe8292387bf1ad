import { randomBytes } from 'node:crypto'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../make-folder.ts'

/**
 * Makes the folder whole or not at all, and at most once: false when one of this name is there already. The renaming
 * of a filled folder fails when another one stands there, whoever made it and whichever daemon it was.
 */
export async function createFolder(
  root: string,
  name: string,
  files: Readonly<Record<string, string | Buffer>>,
  { flush }: { flush: boolean },
): Promise<boolean> {
  makeFolder(root, 0o700)
  const draft = join(root, `.new-${name}-${randomBytes(6).toString('hex')}`)
  await mkdir(draft, { mode: 0o700 })
  try {
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(draft, file), content, { mode: 0o600, flush })
    }
    await rename(draft, join(root, name))
    return true
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
    throw error
  }
}
