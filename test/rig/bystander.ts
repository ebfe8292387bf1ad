/** Another peer that pings all the while: whatever happens to the daemon must not be felt by it. */
import { Worker } from 'node:worker_threads'

type Reachable = { readonly socket: string; readonly token: string }

const QUIET_MS = 100
/** Below this nobody would speak of a delay; above it the ratio to a quiet daemon decides. */
const UNFELT_MS = 250
const LONGEST_RATIO = 20
const LONGEST_WAIT_MS = 3000
/** Of fewer pings the middle one says nothing. */
const FEWEST = 5
const FEWEST_QUIET = 10

/** Runs `work` with a bystander at the daemon's side, and throws when that one was delayed. */
export async function undisturbed<T>(daemon: Reachable, work: () => Promise<T>): Promise<T> {
  const bystander = await comeBy(daemon)
  try {
    const quiet = await bystander.times(FEWEST_QUIET)
    const result = await work()
    complain(quiet, await bystander.leave())
    return result
  } finally {
    await bystander.end()
  }
}

/**
 * The same beside a second daemon that nothing is done to, at the same time, so that both feel the machine alike;
 * `share` of the pings count.
 */
export async function asQuickAs<T>(
  calm: Reachable,
  daemon: Reachable,
  share: number,
  work: () => Promise<T>,
): Promise<T> {
  const bystanders = await Promise.all([calm, daemon].map(comeBy))
  try {
    await Promise.all(bystanders.map(each => each.times(FEWEST_QUIET)))
    const result = await work()
    const [quiet = [], felt = []] = await Promise.all(bystanders.map(each => each.leave()))
    const limit = UNFELT_MS + LONGEST_RATIO * percentile(quiet, share)
    if (percentile(felt, share) <= limit) return result
    throw new Error(`another peer was delayed: ${print(felt)}; at a daemon left alone: ${print(quiet)}`)
  } finally {
    await Promise.all(bystanders.map(each => each.end()))
  }
}

async function comeBy({ socket, token }: Reachable) {
  const worker = new Worker(new URL('bystander-worker.mjs', import.meta.url), {
    workerData: { socket, token },
  })
  const phase = (isLast: boolean, fewest: number) =>
    new Promise<number[]>((resolve, reject) => {
      worker.once('message', ({ times, failed }) => (failed ? reject(new Error(failed)) : resolve(times)))
      worker.once('error', reject)
      worker.postMessage({ isLast, fewest })
    })
  await new Promise(resolve => setTimeout(resolve, QUIET_MS))
  return {
    /** Of the pings since the last time that this was asked. */
    times: (fewest: number) => phase(false, fewest),
    leave: () => phase(true, 0),
    end: () => worker.terminate(),
  }
}

function complain(quiet: number[], felt: number[]): void {
  const limit = UNFELT_MS + LONGEST_RATIO * percentile(quiet, 0.5)
  const isSlow = felt.length >= FEWEST && percentile(felt, 0.5) > limit
  if (!isSlow && Math.max(0, ...felt) <= LONGEST_WAIT_MS) return
  throw new Error(`another peer was delayed: ${print(felt)}; before: ${print(quiet)}`)
}

const print = (times: number[]) =>
  `median ${percentile(times, 0.5).toFixed(1)} ms, nine of ten within ${percentile(times, 0.9).toFixed(1)} ms, ` +
  `slowest ${Math.max(0, ...times).toFixed(1)} ms of ${times.length} pings`

function percentile(times: number[], share: number): number {
  return [...times].sort((a, b) => a - b)[Math.floor(share * times.length)] ?? 0
}
