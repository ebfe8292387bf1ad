// What the benches share: a daemon built into dist/, a client of bare sockets, and numbers.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)
const { bin } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
/** The built file of one of our programs. */
export const dist = name => fileURLToPath(new URL(bin[name], root))
export const pause = ms => new Promise(resolve => setTimeout(resolve, ms))

/** Starts a daemon with a socket and a token of its own; `stop` leaves nothing behind. */
export async function startDaemon(settings = {}) {
  if (!existsSync(dist('hostlinkd'))) throw new Error('dist/ is missing, run: npm run build')
  const dir = mkdtempSync(join(tmpdir(), 'hostlink-bench-'))
  const socket = join(dir, 'hostlink.sock')
  const token = randomBytes(24).toString('hex')
  const all = {
    auth_token: token,
    unix_path: socket,
    unix_mode: '0600',
    unix_group: process.getgid?.() ?? 0,
    output_tmpdir: join(dir, 'output'),
    log_level: 'warn',
    ...settings,
  }
  const config = join(dir, 'hostlink.conf')
  const lines = Object.entries(all).map(([key, value]) => `${key} = ${value}\n`)
  writeFileSync(config, lines.join(''), { mode: 0o600 })
  const child = spawn(process.execPath, [dist('hostlinkd'), '-c', config, '-f'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', text => {
    log += text
  })
  for (let i = 0; !(await canConnect(socket)); i++) {
    if (child.exitCode !== null || i > 500) throw new Error(`the daemon did not start:\n${log}`)
    await pause(20)
  }
  const stop = async () => {
    const ended = new Promise(resolve => child.once('exit', resolve))
    if (child.exitCode === null && child.kill('SIGTERM')) await ended
    rmSync(dir, { recursive: true, force: true })
  }
  return { socket, token, pid: child.pid, dir, stop }
}

function canConnect(path) {
  return new Promise(resolve => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** A kept-alive connection: the least that a client can do, so that the daemon is what is measured. */
export async function openClient(daemon) {
  const socket = connect(daemon.socket)
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const waiting = []
  let held = Buffer.alloc(0)
  let outputBytes = 0
  socket.on('data', chunk => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    while (held.length >= 8 && held.length >= 8 + held.readUInt32BE(4)) {
      const end = 8 + held.readUInt32BE(4)
      if (held[8] === 0x7b) waiting.shift()?.(JSON.parse(held.toString('utf8', 8, end)))
      else outputBytes += end - 10 - held[9]
      held = held.subarray(end)
    }
  })
  let count = 0
  const ask = fields =>
    new Promise((resolve, reject) => {
      if (socket.destroyed) throw new Error('the daemon has closed the connection')
      waiting.push(resolve)
      socket.once('close', () => reject(new Error('the daemon closed the connection')))
      const body = JSON.stringify({
        version: 1,
        id: `${count++}`,
        token: daemon.token,
        keep_alive: true,
        ...fields,
      })
      const frame = Buffer.allocUnsafe(8 + Buffer.byteLength(body))
      frame.write('HLNK', 0, 'latin1')
      frame.writeUInt32BE(frame.length - 8, 4)
      frame.write(body, 8)
      socket.write(frame)
    }).finally(() => socket.removeAllListeners('close'))
  const must = async fields => {
    const answer = await ask(fields)
    if (answer.status !== 'ok') throw new Error(`the daemon answered ${JSON.stringify(answer)}`)
    return answer
  }
  // A connection that shows no token is closed after a while.
  await must({ type: 'ping' })
  return { ask: must, socket, outputBytes: () => outputBytes, close: () => socket.destroy() }
}

/** Works while PROGRAM asks URL from outside, and answers with what that printed at its end. */
export async function askedFromOutside(program, url, work) {
  const file = fileURLToPath(new URL(`../rig/${program}`, import.meta.url))
  const child = spawn(process.execPath, [file, url], { stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', text => {
    out += text
  })
  const ended = new Promise(resolve => child.once('close', resolve))
  while (!out.includes('asking')) await pause(10)
  try {
    await work()
    await pause(300)
  } finally {
    child.kill('SIGTERM')
    await ended
  }
  return out.slice(out.indexOf('\n') + 1)
}

export async function freePort() {
  const server = createServer()
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise(resolve => server.close(resolve))
  return port
}

/** `child_process.spawn` and nothing else, with the pipes that any caller who wants the output has. */
export function bareSpawn(file, args = []) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.resume()
    child.stderr.resume()
    child.once('error', reject)
    child.once('close', resolve)
  })
}

export async function timed(work) {
  const started = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - started) / 1e6
}

/** Takes turns, so that whatever the machine does besides is felt by each of them alike. */
export async function interleaved(times, ...works) {
  const results = works.map(() => [])
  for (let i = 0; i < times; i++) {
    for (const [index, work] of works.entries()) results[index].push(await timed(work))
  }
  return results
}

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}
export const median = values => percentile(values, 0.5)

const status = (pid, key) =>
  Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
export const rssMiB = pid => status(pid, 'VmRSS')
export const peakMiB = pid => status(pid, 'VmHWM')
export const descriptors = pid => readdirSync(`/proc/${pid}/fd`).length

export const atMost = (name, value, unit, limit) => ({
  name,
  value,
  unit,
  limit: `<= ${limit}`,
  ok: value <= limit,
})
export const atLeast = (name, value, unit, limit) => ({
  name,
  value,
  unit,
  limit: `>= ${limit}`,
  ok: value >= limit,
})
/** A figure without a limit: what a ratio was taken from. */
export const told = (name, value, unit) => ({ name, value, unit, limit: '', ok: true })

export function printTable(rows) {
  const cells = rows.map(({ name, value, unit, limit, ok }) => [
    name,
    `${Number(value.toPrecision(4))}`,
    unit,
    limit,
    limit === '' ? '' : ok ? 'ok' : 'MISSED',
  ])
  const all = [['figure', 'value', 'unit', 'limit', ''], ...cells]
  const widths = all[0].map((_, column) => Math.max(...all.map(row => row[column].length)))
  for (const row of all)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
}

/** Lets a bench file be run on its own. */
export async function main(meta, run) {
  if (process.argv[1] !== fileURLToPath(meta.url)) return
  const rows = await run()
  printTable(rows)
  process.exitCode = rows.every(row => row.ok) ? 0 : 1
}
