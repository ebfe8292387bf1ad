/** Another peer that pings all the while: whatever happens to the daemon must not be felt by it. */
import { performance } from 'node:perf_hooks'
import { connectPeer } from './peer.ts'

type Reachable = { readonly socket: string; readonly token: string }
type Felt = { pings: number; medianMs: number; slowestMs: number }

const PAUSE_MS = 5
/** Below this nobody would speak of a delay; above it the ratio to a quiet daemon decides. */
const UNFELT_MS = 25
const LONGEST_RATIO = 20
const LONGEST_WAIT_MS = 3000

/** Runs `work` with a bystander at the daemon's side, and throws when that one was delayed. */
export async function undisturbed<T>(daemon: Reachable, work: () => Promise<T>): Promise<T> {
  const quiet = await pingUntil(daemon, until => setTimeout(until, 100))
  let done = () => {}
  const felt = pingUntil(daemon, until => {
    done = until
  })
  try {
    const result = await work()
    done()
    complain(quiet, await felt)
    return result
  } finally {
    done()
    await felt.catch(() => {})
  }
}

function complain(quiet: Felt, felt: Felt): void {
  const limit = UNFELT_MS + LONGEST_RATIO * quiet.medianMs
  if (felt.medianMs <= limit && felt.slowestMs <= LONGEST_WAIT_MS) return
  const print = (what: Felt) =>
    `median ${what.medianMs.toFixed(1)} ms, slowest ${what.slowestMs.toFixed(1)} ms of ${what.pings} pings`
  throw new Error(`another peer was delayed: ${print(felt)}; before: ${print(quiet)}`)
}

/** A connection for each ping, so that accepting is measured too. */
async function pingUntil(daemon: Reachable, arm: (stop: () => void) => void): Promise<Felt> {
  const times: number[] = []
  let stopped = false
  arm(() => {
    stopped = true
  })
  do {
    const started = performance.now()
    const peer = await connectPeer(daemon.socket)
    peer.ask({ version: 1, type: 'ping', id: 'bystander', token: daemon.token })
    const answer = await peer.answer()
    if (answer.status !== 'ok') throw new Error(`the bystander was answered ${JSON.stringify(answer)}`)
    times.push(performance.now() - started)
    peer.destroy()
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
  } while (!stopped)
  times.sort((a, b) => a - b)
  return { pings: times.length, medianMs: times[times.length >> 1] ?? 0, slowestMs: times.at(-1) ?? 0 }
}
