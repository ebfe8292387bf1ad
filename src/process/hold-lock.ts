import { spawnSync } from 'node:child_process'
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants

/**
 * Holds a lock of the kernel's until this process ends, however that comes. Null once it is held, else what its holder
 * wrote there. The file is for root's folders: whoever can open it can hold it.
 */
export function holdLock(file: string, holder: string): string | null {
  const descriptor = openSync(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
  // The lock belongs to the open file, which this process shares with flock(1): it stays when that one ends.
  const { status, error } = spawnSync('flock', ['-n', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', descriptor],
  })
  if (error) throw error
  if (status === 0) {
    ftruncateSync(descriptor)
    writeSync(descriptor, holder)
    return null
  }
  closeSync(descriptor)
  return readFileSync(file, 'utf8')
}
