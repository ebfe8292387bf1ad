// Pings a daemon, a connection for each, so that accepting is measured too; in a thread of its own, because the
// test that it watches over keeps its own event loop busy. Each message ends a phase and is answered with its times.
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'

const PAUSE_MS = 5
let times = []
let failed
let isDone = false
/** A phase ends once there were so many pings: on a busy machine a thread takes its time to begin. */
let atLeast = Number.POSITIVE_INFINITY
parentPort.on('message', ({ isLast, fewest }) => {
  isDone = isLast
  atLeast = fewest
  answer()
  if (isLast) parentPort.close()
})

while (!isDone && failed === undefined) {
  const started = performance.now()
  try {
    await ping()
    times.push(performance.now() - started)
  } catch (error) {
    failed = String(error)
  }
  answer()
  await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
}

function answer() {
  if (times.length < atLeast && (failed === undefined || atLeast === Number.POSITIVE_INFINITY)) return
  atLeast = Number.POSITIVE_INFINITY
  parentPort.postMessage({ times, failed })
  times = []
}

function ping() {
  return new Promise((resolve, reject) => {
    const socket = connect(workerData.socket)
    const body = JSON.stringify({ version: 1, type: 'ping', id: 'bystander', token: workerData.token })
    const frame = Buffer.alloc(8 + body.length)
    frame.write('HLNK', 0, 'latin1')
    frame.writeUInt32BE(body.length, 4)
    frame.write(body, 8, 'latin1')
    socket.write(frame)
    let heard = ''
    socket.on('data', chunk => {
      heard += chunk
    })
    socket.once('error', reject)
    socket.once('close', () => {
      if (heard.includes('"id":"bystander"') && heard.includes('"status":"ok"')) resolve()
      else reject(new Error(`the bystander was answered ${JSON.stringify(heard)}`))
    })
  })
}
