/**
 * Ends a process of Windows with all that descends from it, as taskkill finds that: by the pid of each one's parent, so that
 * what was started by a process which has ended since is not found. Nothing there can be asked to end, so the first blow is the last.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isHeld } from './alive-file.ts'
import { answersToSignals, type Leader, type ProcessIdentity } from './known-process.ts'

const ROUNDS = 5
const LOOK_MS = 50

export async function endWindowsTree({ pid, hasEnded }: Leader): Promise<void> {
  for (let round = 0; round < ROUNDS && !hasEnded(); round += 1) {
    await taskkill(pid)
    // Its end is told a moment after it.
    for (let look = 0; look < 10 && !hasEnded(); look += 1) await sleep(LOOK_MS)
  }
}

/** They hold the file that it has left them. */
export const hasWindowsFollowers = ({ pid, started }: ProcessIdentity): boolean =>
  started !== null && !answersToSignals(pid) && isHeld(started)

/** Resolves when it has ended, whatever it found. */
function taskkill(pid: number): Promise<void> {
  const program = join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'taskkill.exe')
  return new Promise(resolve => {
    const child = spawn(program, ['/T', '/F', '/PID', String(pid)], { stdio: 'ignore', windowsHide: true })
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
}
