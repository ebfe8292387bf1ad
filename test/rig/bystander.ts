/** Another peer that pings all the while: whatever happens to the daemon must not be felt by it. */
import { Worker } from 'node:worker_threads'

type Reachable = { readonly socket: string; readonly token: string }

const QUIET_MS = 100
/** Below this nobody would speak of a delay; above it the ratio to a quiet daemon decides. */
const UNFELT_MS = 25
const LONGEST_RATIO = 20
const LONGEST_WAIT_MS = 3000
/** Of fewer pings the middle one says nothing. */
const FEWEST = 5
const FEWEST_QUIET = 10

/** Runs `work` with a bystander at the daemon's side, and throws when that one was delayed. */
export async function undisturbed<T>(
  daemon: Reachable,
  work: () => Promise<T>,
  unfeltMs = UNFELT_MS,
): Promise<T> {
  const { socket, token } = daemon
  const worker = new Worker(new URL('bystander-worker.mjs', import.meta.url), {
    workerData: { socket, token },
  })
  const phase = (isLast: boolean, fewest: number) =>
    new Promise<number[]>((resolve, reject) => {
      worker.once('message', ({ times, failed }) => (failed ? reject(new Error(failed)) : resolve(times)))
      worker.once('error', reject)
      worker.postMessage({ isLast, fewest })
    })
  try {
    await new Promise(resolve => setTimeout(resolve, QUIET_MS))
    const quiet = await phase(false, FEWEST_QUIET)
    const result = await work()
    complain(quiet, await phase(true, 0), unfeltMs)
    return result
  } finally {
    await worker.terminate()
  }
}

function complain(quiet: number[], felt: number[], unfeltMs: number): void {
  const isSlow = felt.length >= FEWEST && median(felt) > unfeltMs + LONGEST_RATIO * median(quiet)
  if (!isSlow && Math.max(0, ...felt) <= LONGEST_WAIT_MS) return
  const print = (times: number[]) =>
    `median ${median(times).toFixed(1)} ms, slowest ${Math.max(0, ...times).toFixed(1)} ms of ${times.length} pings`
  throw new Error(`another peer was delayed: ${print(felt)}; before: ${print(quiet)}`)
}

function median(times: number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1] ?? 0
}
