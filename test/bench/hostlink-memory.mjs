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
    await execs(daemon, EXECS)
    await pause(1500)
    const after = rssMiB(daemon.pid)
    return [
      atMost('idle', idle, 'MiB', 60),
      told(`after ${EXECS} execs`, after, 'MiB'),
      atMost(`growth by ${EXECS} execs, from idle`, after - idle, 'MiB', 10),
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
