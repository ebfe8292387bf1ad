// exec of /bin/true by argv over a kept-alive connection, against a bare spawn of it.
import {
  atLeast,
  atMost,
  bareSpawn,
  interleaved,
  main,
  median,
  openClient,
  startDaemon,
  told,
} from './rig.mjs'

const WARM_UP = 150
const TIMES = 600
const CLIENTS = 4
const ROUNDS = 5
const ROUND_MS = 1200
const request = { type: 'exec', argv: ['/bin/true'] }

export async function run() {
  const daemon = await startDaemon()
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => openClient(daemon)))
  try {
    const bare = () => bareSpawn('/bin/true')
    const linked = () => clients[0].ask(request)
    await interleaved(WARM_UP, bare, linked)
    const [bareMs, linkedMs] = (await interleaved(TIMES, bare, linked)).map(median)
    const [bareRate, linkedRate] = await rates(
      () => bare(),
      index => clients[index].ask(request),
    )
    return [
      told('bare spawn, p50', bareMs, 'ms'),
      told('exec, p50', linkedMs, 'ms'),
      atMost('exec to bare spawn, p50', linkedMs / bareMs, 'times', 1.5),
      told(`bare spawn, ${CLIENTS} at a time`, bareRate, '/s'),
      told(`exec, ${CLIENTS} clients`, linkedRate, '/s'),
      atLeast(`rate of ${CLIENTS} clients to bare spawning`, linkedRate / bareRate, 'times', 0.8),
    ]
  } finally {
    for (const client of clients) client.close()
    await daemon.stop()
  }
}

/** The median over rounds that take turns. */
async function rates(...works) {
  const seen = works.map(() => [])
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, work] of works.entries()) seen[index].push(await rate(work))
  }
  return seen.map(median)
}

async function rate(work) {
  const until = Date.now() + ROUND_MS
  let count = 0
  const loop = async index => {
    while (Date.now() < until) {
      await work(index)
      count += 1
    }
  }
  const started = Date.now()
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => loop(index)))
  return (count * 1000) / (Date.now() - started)
}

await main(import.meta, run)
