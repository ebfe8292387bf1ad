/** A file is there whole or not at all, also after a power cut. */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, lstatSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { quietly } from '../process/quietly.ts'
import { renameOver, syncFolder } from '../process/replace.ts'

export function writeAtomically(file: string, text: string, mode: number): void {
  if (isSpecial(file)) {
    // A device or a pipe is written to; renaming over /dev/null would replace it.
    writeFileSync(file, text)
    return
  }
  // A name that nobody can prepare a link under, and never a file that is there: the folder may be everybody's.
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const fd = openSync(temporary, 'wx', mode)
    try {
      writeAll(fd, Buffer.from(text))
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameOver(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  // Not every file system lets a folder be synced; the rename has happened all the same.
  quietly(() => syncFolder(dirname(file)))
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
}

function isSpecial(file: string): boolean {
  const seen = lstatSync(file, { throwIfNoEntry: false })
  return seen !== undefined && !seen.isFile() && !seen.isDirectory()
}
