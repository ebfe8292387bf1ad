/**
 * A file that exists for as long as a process does: the sign of life on Windows, where a pid may be another process's a
 * second later and nothing tells when a process began. The kernel shares it with nobody and removes it with its last holder.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeFolder } from './make-folder.ts'

/** Flags of libuv that Node does not name: shared with nobody, and deleted when the last handle is closed. */
export const EXCLUSIVE = 0x10000000
const DELETE_ON_CLOSE = 0x40

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | EXCLUSIVE | DELETE_ON_CLOSE

/** To be closed by whoever lets a child have it; kept open by a process that makes it for itself. */
export function makeAliveFile(): { path: string; fd: number } {
  const folder = join(tmpdir(), 'hostops-alive')
  makeFolder(folder, 0o700)
  const path = join(folder, `${process.pid}-${randomBytes(8).toString('hex')}`)
  return { path, fd: openSync(path, FLAGS, 0o600) }
}

/** A look is in nobody's way: it asks only to read. What cannot be seen is not called dead. */
export function isHeld(path: string): boolean {
  try {
    // A power cut may have left the file behind, without a holder.
    closeSync(openSync(path, 'r'))
    return false
  } catch (error) {
    return !['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}
