/** What the kernel tells about one process in /proc/PID/stat. */

import { readFileSync } from 'node:fs'
import { quietly } from './quietly.ts'

export type ProcessStat = {
  readonly parent: number
  readonly group: number
  readonly session: number
  /** Ended, though its parent may not have asked about it yet. */
  readonly isDead: boolean
  /** Clock ticks since boot: with the pid, this names a process beyond doubt. */
  readonly started: string
}

/** Null where there is no such process, or no /proc. */
export function readProcessStat(pid: number): ProcessStat | null {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  if (stat === undefined) return null
  // The second field is the program's name in parentheses and may hold blanks and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, parent, group, session] = fields
  return {
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    isDead: state === 'Z' || state === 'X',
    started: fields[19] ?? '',
  }
}
