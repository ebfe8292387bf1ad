// Memory of the daemon when idle, after 10 000 execs, and after as many again, when it must have stopped growing.
import { atMost, descriptors, main, openClient, pause, rssMiB, startDaemon, told } from './rig.mjs'

const EXECS = 10_000
const CLIENTS = 4

export async function run() {
  const daemon = await startDaemon()
  try {
    await pause(1000)
    const idle = rssMiB(daemon.pid)
    const descriptorsBefore = descriptors(daemon.pid)
    const grown = async () => {
      await execs(daemon, EXECS)
      await pause(1500)
      return rssMiB(daemon.pid)
    }
    const after = await grown()
    const later = await grown()
    return [
      atMost('idle', idle, 'MiB', 60),
      told(`after ${EXECS} execs`, after, 'MiB'),
      atMost(`growth by ${EXECS} execs, from idle`, after - idle, 'MiB', 32),
      atMost('growth by as many again', later - after, 'MiB', 2),
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
