/** Room on the disk that is kept for the way back and the end of a run, which must be told when the disk is full. */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const BYTES = 128 * 1024

/** Throws where there is not that much room. */
export function takeReserve(folder: string): void {
  const file = join(folder, 'reserve')
  const descriptor = openSync(file, 'w', 0o600)
  try {
    // What is only announced to the file system is not there when it is needed.
    for (let left = BYTES; left > 0; ) left -= writeSync(descriptor, Buffer.alloc(left))
  } catch (error) {
    rmSync(file, { force: true })
    throw error
  } finally {
    closeSync(descriptor)
  }
}

export const giveReserve = (folder: string): void => rmSync(join(folder, 'reserve'), { force: true })
