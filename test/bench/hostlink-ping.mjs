// ping on an idle daemon, and beside 200 peers that are idle or half-open.
import { connect } from 'node:net'
import { atMost, main, median, openClient, percentile, startDaemon, timed, told } from './rig.mjs'

const TIMES = 4000
const PEERS = 200
const ROUNDS = 3

export async function run() {
  const daemon = await startDaemon()
  const client = await openClient(daemon)
  try {
    await pings(client, 1000)
    const alone = []
    const crowded = []
    // In turns, because a p99 is made of what the machine does besides.
    for (let round = 0; round < ROUNDS; round++) {
      alone.push(await pings(client, TIMES))
      const peers = await crowd(daemon)
      crowded.push(await pings(client, TIMES))
      const gone = peers.map(peer => new Promise(resolve => peer.once('close', resolve)))
      for (const peer of peers) peer.destroy()
      await Promise.all(gone)
    }
    const p99 = rounds => median(rounds.map(times => percentile(times, 0.99)))
    return [
      atMost('p50, idle', median(alone.map(median)), 'ms', 0.3),
      told('p99, idle', p99(alone), 'ms'),
      told(`p99 beside ${PEERS} peers`, p99(crowded), 'ms'),
      atMost(
        `p99 beside ${PEERS} idle and half-open peers to p99 alone`,
        p99(crowded) / p99(alone),
        'times',
        2,
      ),
    ]
  } finally {
    client.close()
    await daemon.stop()
  }
}

async function pings(client, times) {
  const taken = []
  for (let i = 0; i < times; i++) taken.push(await timed(() => client.ask({ type: 'ping' })))
  return taken
}

/** Half of them say nothing, half of them begin a frame. */
async function crowd(daemon) {
  const peers = Array.from({ length: PEERS }, () => connect(daemon.socket))
  await Promise.all(
    peers.map((peer, index) =>
      new Promise((resolve, reject) => peer.once('connect', resolve).once('error', reject)).then(() => {
        if (index % 2 === 0) peer.write(Buffer.from('484c4e4b000000ff7b', 'hex'))
      }),
    ),
  )
  return peers
}

await main(import.meta, run)
