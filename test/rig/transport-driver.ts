/** A process of its own that runs one command over a transport, for tests that kill it or look at its memory. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecOptions, TransportOptions } from '../../src/transport/transport.ts'
import { bundleProgram } from './bundle-program.ts'

export type Drive = {
  target: string
  options: TransportOptions
  argv: string[]
  cwd?: string
  exec: Partial<Omit<ExecOptions, 'signal' | 'onOutput'>>
  /** Runs it this often, one after another. */
  times?: number
}

export type Driven = {
  pid: number
  /** Standard output so far: the command's output, and at the end `RESULT` with a line of JSON. */
  text(): string
  kill(): void
  ended: Promise<{ code: number | null; result: Record<string, unknown> | null; stderr: string }>
}

const root = new URL('../../', import.meta.url)
let built: Promise<string> | null = null

export async function drive(task: Drive): Promise<Driven> {
  built ??= bundleProgram(DRIVER)
  const code = await built
  // A process that is killed cannot clear up after itself.
  const scratch = mkdtempSync(join(tmpdir(), 'hostops-drive-'))
  // From dist/, where the supervisor of jobs stands beside the code, as it does in the real thing.
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-'], {
    cwd: fileURLToPath(new URL('dist/', root)),
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: scratch, DRIVE: JSON.stringify(task) },
  })
  let text = ''
  let stderr = ''
  child.stdout.on('data', chunk => (text += chunk))
  child.stderr.on('data', chunk => (stderr += chunk))
  child.stdin.end(code)
  const ended = new Promise<Awaited<Driven['ended']>>(resolve =>
    child.on('close', status => {
      rmSync(scratch, { recursive: true, force: true })
      const line = /^RESULT (.*)$/m.exec(text)?.[1]
      resolve({ code: status, result: line === undefined ? null : JSON.parse(line), stderr })
    }),
  )
  return { pid: child.pid!, text: () => text, kill: () => child.kill('SIGKILL'), ended }
}

const DRIVER = `
import { readdirSync } from 'node:fs'
import { getEventListeners } from 'node:events'
import { openTransport as connect } from './src/transport/connect.ts'
const { target, options, argv, cwd, exec, times = 1 } = JSON.parse(process.env.DRIVE)
delete process.env.DRIVE
const open = () => readdirSync('/proc/self/fd').length
const connected = await connect(target, options)
if (!connected.ok) {
  console.log('RESULT ' + JSON.stringify(connected))
} else {
  let result
  let peak = 0
  let early = 0
  let heapEarly = 0
  let descriptorsEarly = 0
  const look = setInterval(() => { peak = Math.max(peak, process.memoryUsage().rss) }, 20)
  const before = process.memoryUsage().rss
  const onOutput = times > 1 || exec.keepBytes !== undefined ? () => {} : (_, chunk) => process.stdout.write(chunk)
  const { signal } = new AbortController()
  const began = performance.now()
  for (let index = 0; index < times; index++) {
    result = await connected.transport.exec({ argv, cwd }, { timeoutMs: 60000, ...exec, onOutput, signal })
    if (index === Math.floor(times / 4)) { globalThis.gc?.(); early = process.memoryUsage().rss; heapEarly = process.memoryUsage().heapUsed; descriptorsEarly = open() }
  }
  const ms = performance.now() - began
  clearInterval(look)
  globalThis.gc?.()
  const listeners = getEventListeners(signal, 'abort').length
  const moreDescriptors = open() - descriptorsEarly
  const heapGrowth = process.memoryUsage().heapUsed - heapEarly
  const after = process.memoryUsage().rss
  await connected.transport.close()
  const text = { stdout: result.stdout?.toString(), stderr: result.stderr?.toString() }
  console.log('RESULT ' + JSON.stringify({ ...result, ...text, before, peak, early, after, ms, listeners, moreDescriptors, heapGrowth }))
}
`
