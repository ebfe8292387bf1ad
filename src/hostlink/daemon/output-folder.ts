/** The folder of jobs, output files and the audit log. The daemon believes what it finds there. */
import { type Stats, statSync } from 'node:fs'

const STICKY = 0o1000
const OTHERS_WRITE = 0o022

/** Why nobody could rely on it; null where it is fine or not there yet. `uids`: who may own it, besides root. */
export function folderFault(
  folder: string,
  uids: readonly (number | undefined)[],
): { reason: string; hint: string } | null {
  let stats: Stats
  try {
    stats = statSync(folder)
  } catch {
    return null
  }
  if (stats.uid !== 0 && !uids.includes(stats.uid)) {
    return {
      reason: `${folder} belongs to uid ${stats.uid}, who can change it`,
      hint: `chown root ${folder}`,
    }
  }
  if ((stats.mode & OTHERS_WRITE) === 0 || (stats.mode & STICKY) !== 0) return null
  return { reason: `${folder} can be changed by others than its owner`, hint: `chmod go-w ${folder}` }
}
