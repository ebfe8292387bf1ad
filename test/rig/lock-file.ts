/** Where the lock of a checkout is, on a target that is this machine. */
import { createHash } from 'node:crypto'
import { readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const LASTING = '/var/tmp/hostops-locks'
export const LOCK_FOLDERS = [LASTING, '/run/lock/hostops', '/tmp/hostops-locks']

/** Null: nobody holds it. */
export const lockFileOf = (checkout: string): string | null => fileFor(`checkout:${checkout}`)

/** A word that the record of a run is not complete; null: there is none. */
export const noteFileOf = (journalId: string): string | null => fileFor(`record:${journalId}`)

function fileFor(what: string): string | null {
  const name = createHash('sha256').update(what).digest('hex').slice(0, 32)
  for (const folder of LOCK_FOLDERS) {
    const file = join(folder, `${name}.lock`)
    try {
      readlinkSync(file)
      return file
    } catch {
      // Not here.
    }
  }
  return null
}

export function removeLockOf(checkout: string): void {
  const file = lockFileOf(checkout)
  if (file !== null) rmSync(file, { force: true })
}

/** A restart of the machine empties the others. */
export function forgetLockOf(checkout: string): void {
  if (!lockFileOf(checkout)?.startsWith(LASTING)) removeLockOf(checkout)
}
