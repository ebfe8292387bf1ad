// What the daemon holds when idle, and after 10 000 execs.
import { atMost, descriptors, main, openClient, pause, rssMiB, startDaemon, told } from './rig.mjs'

const EXECS = 10_000
const CLIENTS = 4

export async function run() {
  const daemon = await startDaemon()
  try {
    await pause(1000)
    const idle = rssMiB(daemon.pid)
    const descriptorsBefore = descriptors(daemon.pid)
    // Code and caches that the first execs bring in are no leak; they are told apart.
    await execs(daemon, 500)
    const warm = rssMiB(daemon.pid)
    await execs(daemon, EXECS)
    await pause(1500)
    return [
      atMost('idle', idle, 'MiB', 60),
      told('after 500 execs', warm, 'MiB'),
      told(`after ${EXECS} more`, rssMiB(daemon.pid), 'MiB'),
      atMost(`growth by ${EXECS} execs`, rssMiB(daemon.pid) - warm, 'MiB', 10),
      atMost('descriptors left over', descriptors(daemon.pid) - descriptorsBefore, '', 0),
    ]
  } finally {
    await daemon.stop()
  }
}

async function execs(daemon, count) {
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => openClient(daemon)))
  let left = count
  const loop = async client => {
    while (left-- > 0) await client.ask({ type: 'exec', argv: ['/bin/true'] })
  }
  await Promise.all(clients.map(loop))
  for (const client of clients) client.close()
  await pause(200)
}

await main(import.meta, run)
