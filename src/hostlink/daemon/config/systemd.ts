import { execFile } from 'node:child_process'
import { DEFAULT_PATH } from '../../../process/default-path.ts'
import { systemReason } from '../../../process/system-error.ts'
import type { Log } from './log.ts'

/**
 * `systemctl start` waits for this, and fails when the daemon ends before it. systemd's own program says it, because
 * that is a datagram to a Unix socket, which Node cannot send.
 */
export function tellSystemd({ NOTIFY_SOCKET, PATH }: NodeJS.ProcessEnv, log: Log): void {
  if (!NOTIFY_SOCKET) return
  const env = { PATH: PATH ?? DEFAULT_PATH, NOTIFY_SOCKET }
  execFile('systemd-notify', ['--ready', '--status=listening'], { env }, error => {
    if (error) log.error(`systemd was not told that the daemon listens: ${systemReason(error)}`)
  })
}
