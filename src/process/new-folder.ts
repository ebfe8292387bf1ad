import { randomBytes } from 'node:crypto'
import { lstat, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from './make-folder.ts'
import { renameFolder } from './replace.ts'

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
    renameFolder(draft, join(root, name))
    return true
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
    throw error
  }
}

/** Younger ones may be somebody's who is at work on them. */
const LEFTOVER_MS = 3_600_000
const LEFTOVER = /^\.(new|gone)-[A-Za-z0-9][A-Za-z0-9._-]{0,63}-[0-9a-f]{12}$/

/** Removes drafts and removals that a daemon of this user could not finish before it ended. They may hold secrets. */
export async function removeLeftovers(root: string, now: number): Promise<void> {
  const names = await readdir(root).catch(() => [])
  for (const name of names) {
    if (!LEFTOVER.test(name)) continue
    const path = join(root, name)
    const stats = await lstat(path).catch(() => null)
    if (stats === null || !stats.isDirectory() || stats.uid !== (process.geteuid?.() ?? stats.uid)) continue
    if (stats.mtimeMs < now - LEFTOVER_MS) await rm(path, { recursive: true, force: true })
  }
}
