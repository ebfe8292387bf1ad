// 1 GiB of output streamed, against the same program into a pipe.
import { spawn } from 'node:child_process'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  atLeast,
  atMost,
  main,
  median,
  openClient,
  peakMiB,
  rssMiB,
  startDaemon,
  timed,
  told,
} from './rig.mjs'

const BYTES = 1024 ** 3
const MIB = BYTES / 1024 ** 2
const ROUNDS = 3
const WANTED = 200

export async function run() {
  const daemon = await startDaemon()
  const client = await openClient(daemon)
  // A sparse file: reading it costs no disk.
  const file = join(daemon.dir, 'zeros')
  writeFileSync(file, '')
  truncateSync(file, BYTES)
  try {
    await stream(client, ['head', '-c', '33554432', file], 33554432)
    const before = rssMiB(daemon.pid)
    const piped = []
    const streamed = []
    for (let round = 0; round < ROUNDS; round++) {
      piped.push(MIB / (await timed(() => catToPipe(file))) / 0.001)
      streamed.push(MIB / (await timed(() => stream(client, ['cat', file], BYTES))) / 0.001)
    }
    const [pipe, link] = [median(piped), median(streamed)]
    // Where cat itself does not reach the figure, its own rate is the measure.
    return [
      told('cat into a pipe', pipe, 'MiB/s'),
      atLeast('streamed', link, 'MiB/s', Math.min(WANTED, Math.floor(pipe))),
      atMost('growth of the daemon at its peak', peakMiB(daemon.pid) - before, 'MiB', 32),
    ]
  } finally {
    client.close()
    await daemon.stop()
  }
}

async function stream(client, argv, bytes) {
  const before = client.outputBytes()
  const answer = await client.ask({ type: 'exec', argv, stream: true })
  const got = client.outputBytes() - before
  if (got !== bytes || answer.stdout_original_bytes !== bytes)
    throw new Error(`${got} bytes of ${bytes} arrived`)
}

function catToPipe(file) {
  return new Promise((resolve, reject) => {
    const child = spawn('cat', [file], { stdio: ['ignore', 'pipe', 'inherit'] })
    let bytes = 0
    child.stdout.on('data', chunk => {
      bytes += chunk.length
    })
    child.once('close', () => (bytes === BYTES ? resolve() : reject(new Error(`${bytes} bytes`))))
  })
}

await main(import.meta, run)
