/** Files and folders that get an owner and a mode of their own, from a program that may be root's. */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'

export type FileOwner = { uid: number; gid: number }
export type Ownership = { mode: number; owner?: FileOwner | undefined }

/** Its owner and mode are right before it has its name: a token can never be read by others, not for a moment. */
export function writeOwned(path: string, content: string | Buffer, ownership: Ownership): void {
  const part = `${path}.${randomBytes(4).toString('hex')}`
  try {
    writeFileSync(part, content, { mode: 0o600, flag: 'wx' })
    setOwnership(part, ownership)
    renameSync(part, path)
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  }
}

/** Follows no link: the folder may be another user's, who puts one there meanwhile. */
export function setOwnership(path: string, { mode, owner }: Ownership): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    if (owner !== undefined) fchownSync(descriptor, owner.uid, owner.gid)
    fchmodSync(descriptor, mode)
  } finally {
    closeSync(descriptor)
  }
}
