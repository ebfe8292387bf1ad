/** Files and folders that get an owner and a mode of their own, from a program that may be root's. */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { renameOver } from './replace.ts'

export type FileOwner = { uid: number; gid: number }
export type Ownership = { mode: number; owner?: FileOwner | undefined }

/** The name of a file until it is whole. Always the same, so that what a death leaves behind can be found. */
export const partOf = (path: string): string => `${path}.hostops-part`

/** Its owner and mode are right before it has its name: a token can never be read by others, not for a moment. */
export function writeOwned(path: string, content: string | Buffer, ownership: Ownership): void {
  const part = partOf(path)
  rmSync(part, { force: true })
  try {
    const descriptor = openSync(part, 'wx', 0o600)
    try {
      writeFileSync(descriptor, content)
      own(descriptor, ownership)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameOver(part, path)
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  }
}

/** Of a folder. Follows no link, and waits for no pipe that is there instead. */
export function setOwnership(folder: string, ownership: Ownership): void {
  const descriptor = openSync(folder, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_DIRECTORY)
  try {
    own(descriptor, ownership)
  } finally {
    closeSync(descriptor)
  }
}

function own(descriptor: number, { mode, owner }: Ownership): void {
  if (owner !== undefined) fchownSync(descriptor, owner.uid, owner.gid)
  fchmodSync(descriptor, mode)
}
