// exec of /bin/true by argv over a kept-alive connection, against a bare spawn of it.
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { join } from 'node:path'
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
  const least = await spawnServer(join(daemon.dir, 'least.sock'))
  try {
    const bare = () => bareSpawn('/bin/true')
    const linked = () => clients[0].ask(request)
    await interleaved(WARM_UP, bare, linked, least.ask)
    const [bareMs, linkedMs, leastMs] = (await interleaved(TIMES, bare, linked, least.ask)).map(median)
    const [bareRate, linkedRate] = await rates(
      () => bare(),
      index => clients[index].ask(request),
    )
    return [
      told('bare spawn, p50', bareMs, 'ms'),
      told('exec, p50', linkedMs, 'ms'),
      told('least process that spawns when asked, p50', leastMs, 'ms'),
      told('exec to that one', linkedMs / leastMs, 'times'),
      atMost('exec to bare spawn, p50', linkedMs / bareMs, 'times', 1.5),
      told(`bare spawn, ${CLIENTS} at a time`, bareRate, '/s'),
      told(`exec, ${CLIENTS} clients`, linkedRate, '/s'),
      atLeast(`rate of ${CLIENTS} clients to bare spawning`, linkedRate / bareRate, 'times', 0.8),
    ]
  } finally {
    for (const client of clients) client.close()
    least.stop()
    await daemon.stop()
  }
}

/**
 * A process that spawns /bin/true for each byte that it gets and does nothing else: what of the figure is the way to
 * another process and back, which a loaded machine makes long, and what is the daemon's own.
 */
async function spawnServer(path) {
  const code = `
    require('node:net').createServer(socket => socket.on('data', () => {
      const child = require('node:child_process').spawn('/bin/true', [], { stdio: ['ignore', 'pipe', 'pipe'] })
      child.stdout.resume()
      child.stderr.resume()
      child.once('close', () => socket.write('x'))
    })).listen(process.argv[1], () => console.log('ready'))
  `
  const child = spawn(process.execPath, ['-e', code, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise(resolve => child.stdout.once('data', resolve))
  const socket = connect(path)
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const ask = () =>
    new Promise(resolve => {
      socket.once('data', resolve)
      socket.write('x')
    })
  const stop = () => {
    socket.destroy()
    child.kill('SIGKILL')
  }
  return { ask, stop }
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
