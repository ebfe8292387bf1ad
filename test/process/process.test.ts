import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OutputSink } from '../../src/process/output.ts'
import { type ProcessEnd, runProcess, startProcess } from '../../src/process/process.ts'
import type { ProcessSpec } from '../../src/process/start.ts'

const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin' }
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-process-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const sh = (script: string, more: Partial<ProcessSpec> = {}): ProcessSpec => ({
  argv: ['/bin/sh', '-c', script],
  env,
  ...more,
})

async function collect(
  spec: ProcessSpec,
  signal?: AbortSignal,
): Promise<{ ended: ProcessEnd; out: string; err: string }> {
  const chunks: { out: Buffer[]; err: Buffer[] } = { out: [], err: [] }
  const sinks = {
    stdout: (c: Buffer) => void chunks.out.push(c),
    stderr: (c: Buffer) => void chunks.err.push(c),
  }
  const ended = await runProcess(spec, sinks, signal)
  return { ended, out: Buffer.concat(chunks.out).toString(), err: Buffer.concat(chunks.err).toString() }
}

const ignore: OutputSink = () => {}
const isAlive = (pid: number) => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !/^\d+ \(.*\) [ZX] /.test(stat)
  } catch {
    return false
  }
}
const until = async (condition: () => boolean, limitMs = 20_000) => {
  for (const end = Date.now() + limitMs; !condition(); await sleep(10)) {
    if (Date.now() > end) throw new Error('condition did not come true')
  }
}
const readPid = async (file: string) => {
  await until(() => {
    try {
      return readFileSync(file, 'utf8').endsWith('\n')
    } catch {
      return false
    }
  })
  return Number(readFileSync(file, 'utf8'))
}

describe('how a process ends', () => {
  test('both streams, exit code and nothing of our environment', async () => {
    const { ended, out, err } = await collect(sh('echo out; echo err >&2; env | sort | cut -d= -f1; exit 7'))
    expect(ended).toMatchObject({ how: 'exited', code: 7, signal: null })
    expect(out.split('\n').filter(line => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(line))).toEqual([
      'out',
      'PATH',
      '',
    ])
    expect(err).toBe('err\n')
  })

  test('writes to /dev/stdout, /dev/stderr and /dev/fd/2 by name, as on any pipe', async () => {
    const { ended, out, err } = await collect(
      sh('echo a >/dev/stdout; echo b >/dev/stderr; echo c >>/dev/fd/2'),
    )
    expect({ ended, out, err }).toMatchObject({ ended: { code: 0 }, out: 'a\n', err: 'b\nc\n' })
  })

  test('argv goes through byte by byte', async () => {
    const odd = ['', ' ', 'a b', '$(id)', "'", '"', '\\', '\n', '*', '-n', 'ü', '\u{1f600}', '\x01']
    const { out } = await collect({ argv: ['printf', '[%s]', ...odd], env })
    expect(out).toBe(odd.map(word => `[${word}]`).join(''))
  })

  test('128+N and the name of the signal', async () => {
    expect((await collect(sh('kill -9 $$'))).ended).toMatchObject({
      how: 'exited',
      code: 137,
      signal: 'SIGKILL',
    })
  })

  test.each([
    [['no-such-program'], 'program', 'ENOENT'],
    [[''], 'program', 'ENOENT'],
    [['/etc/hostname/x'], 'program', 'ENOTDIR'],
    [['/etc'], 'program', 'EACCES'],
    [['/bin/echo', 'x'.repeat(200_000)], 'system', 'E2BIG'],
  ])('%j does not start: %s %s', async (argv, what, errno) => {
    expect((await collect({ argv, env })).ended).toEqual({ how: 'not-started', what, errno })
  })

  test('the program is looked up in the PATH of its own environment', async () => {
    writeFileSync(join(folder, 'mine'), '#!/bin/sh\necho mine\n', { mode: 0o755 })
    expect((await collect({ argv: ['mine'], env: { PATH: folder } })).out).toBe('mine\n')
  })

  test.each([
    ['/no/such/folder', 'ENOENT'],
    ['/etc/hostname', 'ENOTDIR'],
  ])('working directory %s', async (cwd, errno) => {
    expect((await collect(sh('true', { cwd }))).ended).toEqual({ how: 'not-started', what: 'workdir', errno })
  })

  test('working directory, umask 022, stdin is empty, session of its own', async () => {
    const { out } = await collect(
      sh('pwd; umask; cat; ps -o sid= -p $$ | tr -d " "; echo $$', { cwd: '/usr' }),
    )
    const [cwd, umask, session, pid] = out.split('\n')
    expect([cwd, umask]).toEqual(['/usr', '0022'])
    expect(session).toBe(pid)
  })
})

describe('limits', () => {
  test('a command that closes its pipes does not escape the timeout', async () => {
    const { ended, out } = await collect(
      sh('echo before; exec >/dev/null 2>&1; sleep 60', { timeoutMs: 300 }),
    )
    expect(ended).toMatchObject({ how: 'timeout', signal: 'SIGTERM' })
    expect(out).toBe('before\n')
  })

  test('group members, children of other sessions and those that ignore TERM are gone after a timeout', async () => {
    const file = (name: string) => join(folder, name)
    const script = `
      (trap '' TERM; echo $$ >/dev/null; sh -c 'echo $PPID' >${file('stubborn')}; while :; do sleep 1; done) &
      setsid sh -c 'echo $$ >${file('session')}; trap "" TERM; while :; do sleep 1; done' &
      (setsid sleep 77 & echo $! >${file('deep')}; wait) &
      while :; do sleep 1; done`
    const running = collect(sh(script, { timeoutMs: 1000 }))
    const pids = await Promise.all(['stubborn', 'session', 'deep'].map(name => readPid(file(name))))
    expect((await running).ended.how).toBe('timeout')
    await until(() => pids.every(pid => !isAlive(pid)), 2000)
  })

  test('the leader may end on TERM: its children get their KILL nevertheless', async () => {
    const file = join(folder, 'orphan')
    const script = `trap 'exit 0' TERM; sh -c 'trap "" TERM; echo $$ >${file}; while :; do sleep 1; done' & wait`
    const stop = new AbortController()
    const running = collect(sh(script), stop.signal)
    const pid = await readPid(file)
    stop.abort()
    expect((await running).ended.how).toBe('cancelled')
    await until(() => !isAlive(pid), 1000)
  })

  test('terminate answers as soon as all are gone, not after the whole grace', async () => {
    const running = startProcess(sh('sleep 60 & sleep 60'), { stdout: ignore, stderr: ignore })
    const began = Date.now()
    running.terminate('SIGTERM')
    expect(await running.ended).toMatchObject({ how: 'cancelled' })
    expect(Date.now() - began).toBeLessThan(1500)
  })

  test('terminate with KILL ends what ignores TERM at once', async () => {
    const running = startProcess(sh("trap '' TERM; echo; while :; do sleep 1; done"), {
      stdout: () => running.terminate('SIGKILL'),
      stderr: ignore,
    })
    expect(await running.ended).toMatchObject({ how: 'cancelled', signal: 'SIGKILL' })
  })

  test('a left-behind child that holds the output open delays the end by about a second and lives on', async () => {
    const file = join(folder, 'left')
    const { ended, out } = await collect(sh(`setsid sleep 60 & echo $! >${file}; echo done`))
    expect(ended).toMatchObject({ how: 'exited', code: 0 })
    expect(ended.how === 'exited' && ended.durationMs).toBeGreaterThan(700)
    expect(ended.how === 'exited' && ended.durationMs).toBeLessThan(5000)
    expect(out).toBe('done\n')
    const pid = await readPid(file)
    expect(isAlive(pid)).toBe(true)
    process.kill(pid, 'SIGKILL')
  })

  test('a left-behind child that writes for ever is cut off', async () => {
    const file = join(folder, 'writer')
    // Nothing is kept: a second of it may be more than the longest string.
    const ended = await runProcess(sh(`yes & echo $! >${file}`), { stdout: ignore, stderr: ignore })
    expect(ended).toMatchObject({ how: 'exited', code: 0 })
    await until(() => !isAlive(Number(readFileSync(file, 'utf8'))))
  })
})

describe('sinks', () => {
  test('a slow sink holds the process back and still gets every byte', async () => {
    let bytes = 0
    let atOnce = 0
    let most = 0
    const slow: OutputSink = async chunk => {
      most = Math.max(most, ++atOnce)
      await sleep(20)
      bytes += chunk.length
      atOnce--
    }
    const ended = await runProcess(sh('head -c 3000000 /dev/zero'), { stdout: slow, stderr: ignore })
    expect(ended).toMatchObject({ how: 'exited', code: 0 })
    expect(bytes).toBe(3_000_000)
    expect(most).toBe(1)
  })

  test('a chunk that is lent stays as it is until the sink is done with it', async () => {
    const got: string[] = []
    const slow: OutputSink = async chunk => {
      const before = chunk.toString()
      await sleep(5)
      got.push(chunk.toString() === before ? before : 'written over')
    }
    await startProcess(sh('seq 100000; seq 100000 >&2'), { stdout: slow, stderr: slow }).ended
    expect(got).not.toContain('written over')
    expect(got.join('').length).toBe(2 * 588_895)
  })

  test('what was written before the end is not lost when the sink is busy for longer than the grace', async () => {
    let bytes = 0
    const stuck: OutputSink = async chunk => {
      await sleep(1300)
      bytes += chunk.length
    }
    await runProcess(sh('head -c 150000 /dev/zero'), { stdout: stuck, stderr: ignore })
    expect(bytes).toBe(150_000)
  })

  test('a sink that fails ends the process', async () => {
    const failing: OutputSink = () => Promise.reject(new Error('disk full'))
    const ended = await runProcess(sh('echo; sleep 60'), { stdout: failing, stderr: ignore })
    expect(ended).toMatchObject({ how: 'output-failed', stream: 'stdout', error: { message: 'disk full' } })
  })
})

test('an already aborted signal starts nothing', async () => {
  const file = join(folder, 'never')
  const { ended } = await collect(sh(`sleep 0.2; touch ${file}`), AbortSignal.abort())
  expect(ended.how).toBe('cancelled')
  expect(readdirSync(folder)).not.toContain('never')
})

test('100 processes leave no descriptor and no zombie', async () => {
  const descriptors = () => readdirSync('/proc/self/fd').length
  const round = () =>
    Promise.all(
      Array.from({ length: 25 }, (_, n) =>
        collect(n % 5 === 0 ? { argv: ['nope'], env } : { argv: ['/bin/true'], env }),
      ),
    )
  // Pipes are kept for the next processes, as many as were needed at once.
  await round()
  const before = descriptors()
  for (let count = 0; count < 3; count++) await round()
  await until(() => descriptors() <= before + 2)
})

test('TERM is delivered once, because many programs take a second one for "at once"', async () => {
  const counter =
    'let n = 0; const end = () => { console.log(n); process.exit() }; setInterval(() => {}, 1000); ' +
    'process.on("SIGTERM", () => { if (++n === 1) setTimeout(end, 400) }); console.log("up")'
  const counts = Array.from({ length: 12 }, async () => {
    let out = ''
    const takeOut: OutputSink = chunk => {
      out += chunk
      if (out === 'up\n') running.terminate()
    }
    const running = startProcess(
      { argv: [process.execPath, '-e', counter], env },
      { stdout: takeOut, stderr: ignore },
    )
    await running.ended
    return out
  })
  expect(new Set(await Promise.all(counts))).toEqual(new Set(['up\n1\n']))
})
