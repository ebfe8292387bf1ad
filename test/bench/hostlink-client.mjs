// `hostlink exec true` as a process, against `node -e 0`.
import { spawn } from 'node:child_process'
import { atMost, dist, interleaved, main, median, startDaemon, told } from './rig.mjs'

const WARM_UP = 5
const TIMES = 40

export async function run() {
  const daemon = await startDaemon()
  const env = { ...process.env, HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
  const node = args => () =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'ignore'] })
      child.once('close', code => (code === 0 ? resolve() : reject(new Error(`${args} ended with ${code}`))))
    })
  try {
    const works = [node(['-e', '0']), node([dist('hostlink'), 'exec', 'true'])]
    await interleaved(WARM_UP, ...works)
    const [bare, client] = (await interleaved(TIMES, ...works)).map(median)
    return [
      told('node -e 0, p50', bare, 'ms'),
      told('hostlink exec true, p50', client, 'ms'),
      atMost('hostlink exec true to node -e 0', client / bare, 'times', 1.3),
    ]
  } finally {
    await daemon.stop()
  }
}

await main(import.meta, run)
