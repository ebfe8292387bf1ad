/** How a process is told to look at a file that somebody has left for it. */
import { forPlatform } from './platform.ts'

const DOORBELL: NodeJS.Signals = 'SIGUSR2'
/** Windows has no signals: there a look now and then has to do. */
const LOOK_MS = 200

export const onBell = (look: () => void): void =>
  forPlatform({
    posix: () => void process.on(DOORBELL, look),
    windows: () => void setInterval(look, LOOK_MS).unref(),
  })()

/** `loud`: it shall end what it does even though no file could be left. False where that cannot be told. */
export const ringBell = (pid: number, loud: boolean): boolean =>
  forPlatform({
    posix: () => process.kill(pid, loud ? 'SIGTERM' : DOORBELL),
    windows: () => !loud,
  })()
