/** The folder of jobs, output files and the audit log. The daemon believes what it finds there. */

import { type Stats, statSync } from 'node:fs'
import { spoolRoot } from '../../jobs/spool.ts'
import { quietly } from '../../process/quietly.ts'
import { auditPath } from './audit.ts'
import type { Config } from './config/config.ts'
import type { KeyName } from './config/config-keys.ts'
import type { User } from './config/user.ts'

const STICKY = 0o1000
const OTHERS_WRITE = 0o022

type Fault = { readonly reason: string; readonly hint: string }

/** Why nobody could rely on it, or the daemon could not write there as `user`; null where it is fine or not there yet. */
export function outputFault(config: Config, user: User | null): (Fault & { key: KeyName }) | null {
  const { outputTmpdir, runsStateDir } = config
  const unfit = folderFault(outputTmpdir, [process.geteuid?.(), user?.uid])
  if (unfit !== null) return { key: 'output_tmpdir', ...unfit }
  if (user === null || user.uid === 0) return null
  const written: [KeyName, string | null][] = [
    ['output_tmpdir', outputTmpdir],
    ['output_tmpdir', spoolRoot(outputTmpdir)],
    [config.auditLog === null ? 'output_tmpdir' : 'audit_log', auditPath(config)],
    ['runs_state_dir', runsStateDir],
  ]
  for (const [key, path] of written) {
    const fault = path === null ? null : ownerFault(path, user)
    if (fault !== null) return { key, ...fault }
  }
  return null
}

/** `uids`: who may own it, besides root. */
function folderFault(folder: string, uids: readonly (number | undefined)[]): Fault | null {
  const stats = statOf(folder)
  if (stats === undefined) return null
  if (stats.uid !== 0 && !uids.includes(stats.uid)) {
    return {
      reason: `${folder} belongs to uid ${stats.uid}, who can change it`,
      hint: `chown root ${folder}`,
    }
  }
  if ((stats.mode & OTHERS_WRITE) === 0 || (stats.mode & STICKY) !== 0) return null
  return { reason: `${folder} can be changed by others than its owner`, hint: `chmod go-w ${folder}` }
}

/** A daemon that ran as root, or as another user, has left what this one cannot write to. */
function ownerFault(path: string, { name, uid }: User): Fault | null {
  const stats = statOf(path)
  if (stats === undefined || stats.uid === uid || (stats.mode & OTHERS_WRITE) !== 0) return null
  return {
    reason: `${path} belongs to uid ${stats.uid}, and cannot be written as run_as_user ${name}`,
    hint: `chown -R ${name}: ${path}`,
  }
}

const statOf = (path: string): Stats | undefined => quietly(() => statSync(path))
