/** A program of another user of this machine, who does something again and again until it is ended. For root. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export function asUser(uid: number, script: string) {
  const child = spawn(process.execPath, ['-e', script], { uid, gid: uid, cwd: '/', stdio: 'ignore' })
  const ended = once(child, 'close')
  return {
    isAlive: () => child.exitCode === null && child.signalCode === null,
    async end() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
