/** The far end's script in every shell that is here, without ssh: what differs between hosts is their /bin/sh. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scanner } from '../../src/transport/ssh-report.ts'
import { BOOTSTRAP, type Remote, remoteInput } from '../../src/transport/ssh-script.ts'
import { isRunning } from '../rig/observe.ts'

const NONCE = '0123456789abcdef0123456789abcdef'
const which = (name: string) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim()
const shells = [
  { name: 'dash', file: which('dash'), setsid: true },
  { name: 'bash', file: which('bash'), setsid: true },
  { name: 'busybox', file: which('busybox'), setsid: true },
  // As on a Mac, which has no setsid but whose sh is bash.
  { name: 'bash without setsid', file: which('bash'), setsid: false },
]

const PLAIN: Remote = {
  nonce: NONCE,
  command: { argv: ['true'] },
  timeoutMs: 20_000,
  job: null,
  mark: null,
  offsets: [0, 0],
}

let folder: string
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-script-')))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

for (const { name } of shells.filter(shell => shell.file === ''))
  describe(name, () =>
    it.skip(`SKIPPED: there is no ${name} here; install it with: apt-get install -y ${name}`, () => {}),
  )

describe.concurrent.each(shells.filter(shell => shell.file !== ''))('in $name', ({ name, file, setsid }) => {
  const started: ChildProcess[] = []
  afterAll(() => {
    for (const child of started) child.kill('SIGKILL')
  })
  /** A folder in which `sh` is the shell, in front of all others. */
  const path = () => {
    const bin = join(folder, `bin-${name}`.replaceAll(' ', '-'))
    if (!existsSync(bin)) {
      mkdirSync(bin)
      for (const from of ['/usr/bin', '/bin']) {
        for (const program of setsid ? [] : readdirSync(from)) {
          if (program !== 'setsid' && !existsSync(join(bin, program)))
            symlinkSync(join(from, program), join(bin, program))
        }
      }
      rmSync(join(bin, 'sh'), { force: true })
      symlinkSync(file, join(bin, 'sh'))
    }
    return { sh: join(bin, 'sh'), PATH: setsid ? `${bin}:${process.env['PATH']}` : bin }
  }
  const start = (argv: string[], more: Partial<Remote> = {}, mark = '') => {
    const { sh, PATH } = path()
    const as = (text: string) => text.replaceAll('/bin/sh', sh)
    const remote = { ...PLAIN, command: { argv }, ...more }
    const child = spawn('/bin/bash', ['-c', as(BOOTSTRAP)], {
      env: { ...process.env, PATH, XDG_STATE_HOME: folder, MARK: mark },
    })
    started.push(child)
    const scanners = { stdout: scanner(NONCE, false), stderr: scanner(NONCE, true) }
    const text = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].on('data', chunk => {
        for (const part of scanners[stream].push(chunk)) text[stream] += part
      })
    }
    child.stdin.on('error', () => {})
    child.stdin.write(as(remoteInput(remote)))
    const ended = new Promise<void>(resolve => child.on('close', () => resolve()))
    return { child, text, ended, report: () => scanners.stderr.report }
  }
  const run = async (argv: string[], more?: Partial<Remote>) => {
    const { ended, text, report } = start(argv, more)
    await ended
    return { ...text, report: report() }
  }
  const size = (path: string) => (existsSync(path) ? statSync(path).size : 0)
  const until = async (condition: () => boolean) => {
    for (let tries = 0; !condition(); tries++) {
      if (tries > 400) throw new Error('waited in vain')
      await sleep(50)
    }
  }
  /** The processes that have this value in their environment. */
  const withMark = (mark: string) =>
    readdirSync('/proc').filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`MARK=${mark}`)
      } catch {
        return false // not a process, or one that has just ended
      }
    })
  const beats =
    'trap "" TERM; (trap "" TERM; while :; do echo >> "$1"; sleep 0.05; done) & while :; do sleep 0.1; done'
  const isStill = async (path: string) => {
    const before = size(path)
    await sleep(300)
    return size(path) === before
  }

  it('output, codes, signals, and why it could not start', async () => {
    const args = ["it's", 'a\nb', '\\', '$x', '']
    expect(
      await run(['printf', '%s|', ...args], {
        command: { argv: ['printf', '%s|', ...args], cwd: '/', env: { A: 'b' } },
      }),
    ).toEqual({
      stdout: `${args.join('|')}|`,
      stderr: '',
      report: { what: 'exit', code: 0 },
    })
    expect((await run(['sh', '-c', 'exit 255'])).report).toEqual({ what: 'exit', code: 255 })
    expect((await run(['sh', '-c', 'kill -9 $$'])).report).toEqual({ what: 'exit', code: 137 })
    expect((await run(['no-such-program-here'])).report).toEqual({ what: 'not-started', why: 'not-found' })
    expect((await run(['/etc/passwd'])).report).toEqual({ what: 'not-started', why: 'not-executable' })
    expect((await run(['x'], { command: { argv: ['true'], cwd: '/etc/passwd' } })).report).toEqual({
      what: 'not-started',
      why: 'bad-cwd',
    })
  })

  it('the command has a session of its own and signals as they are by default', async () => {
    const script = 'grep -E "^SigIgn" /proc/self/status; cut -d" " -f5,6 /proc/$$/stat; echo $$'
    const { stdout } = await run(['/bin/dash', '-c', script])
    const [ignored, ids, pid] = stdout.trim().split('\n')
    expect(Number.parseInt(ignored!.split(/\s+/)[1]!, 16) & 0b111).toBe(0)
    expect(ids).toEqual(setsid ? `${pid} ${pid}` : expect.stringMatching(new RegExp(`^${pid} `)))
  })

  it('the limit ends grandchildren that ignore TERM', async () => {
    const path = join(folder, `${name}-limit`)
    expect((await run(['sh', '-c', beats, 'sh', path], { timeoutMs: 500 })).report).toEqual({
      what: 'timeout',
    })
    expect(size(path)).toBeGreaterThan(0)
    expect(await isStill(path)).toBe(true)
  })

  it('nothing waits for ever for a command whose shell was killed', async () => {
    const path = join(folder, `${name}-killed`)
    const { child } = start(['sh', '-c', 'echo >"$1"; exec sleep 3', 'sh', path], { timeoutMs: 1000 }, path)
    await until(() => size(path) > 0)
    child.kill('SIGKILL')
    await until(() => withMark(path).length === 0)
  })

  it('the watcher of a command that ends at once leaves nobody behind', async () => {
    const mark = join(folder, `${name}-quick`)
    const { sh, PATH } = path()
    const [startClock] = /^start_clock\(\) \{\n[\s\S]*?\n\}$/m.exec(remoteInput(PLAIN))!
    const rounds = `${startClock}
      limit=600; rounds=0; exec 2>/dev/null
      while [ $rounds -lt 200 ]; do start_clock; /bin/true; kill $clock; wait $clock; rounds=$((rounds+1)); done`
    execFileSync(sh, ['-c', rounds], { env: { ...process.env, PATH, MARK: mark }, stdio: 'ignore' })
    await until(() => withMark(mark).every(pid => !isRunning(Number(pid))))
  })

  it('cancelled, and the end of the client', async () => {
    for (const how of ['cancel', 'end'] as const) {
      const path = join(folder, `${name}-${how}`)
      const running = start(['sh', '-c', beats, 'sh', path], { timeoutMs: 600_000 })
      await until(() => size(path) > 3)
      if (how === 'cancel') running.child.stdin!.write('cancel\n')
      else running.child.stdin!.end()
      await running.ended
      expect(running.report()).toEqual({ what: 'cancelled' })
      expect(await isStill(path)).toBe(true)
    }
  })

  it('cancelled before the command has begun', async () => {
    for (const how of ['cancel', 'end'] as const) {
      const running = start(['sleep', '601'], { timeoutMs: 600_000 })
      if (how === 'cancel') running.child.stdin!.write('cancel\n')
      else running.child.stdin!.end()
      await running.ended
      expect(running.report()).toEqual({ what: 'cancelled' })
    }
  })

  it('a durable command outlives the connection and is found again where the output stopped', async () => {
    const path = join(folder, `${name}-durable`)
    const job = { name: `job-${name.replaceAll(' ', '-')}`, digest: 'd' }
    const argv = [
      'sh',
      '-c',
      'echo one; while [ ! -e "$1" ]; do sleep 0.05; done; echo two; echo err >&2; exit 7',
      'sh',
      path,
    ]
    const first = start(argv, { job })
    await until(() => first.text.stdout === 'one\n')
    first.child.stdin!.end()
    first.child.kill('SIGKILL')
    execFileSync('touch', [path])
    const second = await run(argv, { job, offsets: [4, 0] })
    expect(second).toEqual({ stdout: 'two\n', stderr: 'err\n', report: { what: 'exit', code: 7 } })
    expect((await run(argv, { job })).stdout).toBe('one\ntwo\n')
    expect((await run(argv, { job: { ...job, digest: 'e' } })).report).toEqual({
      what: 'not-started',
      why: 'other-key',
    })
  })

  it('leaves no process behind', async () => {
    const { PATH } = path()
    await run(['true'], { timeoutMs: 12_345_000 })
    const env = { PATH: `${PATH}:/bin:/usr/bin` }
    const all = () => execFileSync('ps', ['-A', '-o', 'args='], { env, encoding: 'utf8' })
    // On a busy machine the kernel may still be ending it.
    await until(() => !all().includes('sleep 12345'))
  })
})

describe('the scanner of reports', () => {
  const feed = (text: string, size: number) => {
    const found = scanner(NONCE, true)
    let passed = ''
    for (let at = 0; at < text.length; at += size)
      for (const part of found.push(Buffer.from(text.slice(at, at + size)))) passed += part
    return { passed: passed + found.rest(), report: found.report, begun: found.begun }
  }

  it.each([1, 2, 7, 31, 32, 33, 1000])('finds the same in pieces of %i bytes', size => {
    const text = `noise\n${NONCE}\nout 0123 ${NONCE.slice(0, 31)}x\n${NONCE} exit 3\nlate`
    expect(feed(text, size)).toEqual({
      passed: `out 0123 ${NONCE.slice(0, 31)}x\nlate`,
      report: { what: 'exit', code: 3 },
      begun: true,
    })
    expect(feed(`${NONCE}\nab${NONCE.slice(0, 9)}`, size)).toEqual({
      passed: `ab${NONCE.slice(0, 9)}`,
      report: null,
      begun: true,
    })
    expect(feed('only noise\n', size)).toEqual({ passed: '', report: null, begun: false })
  })

  it('takes the first report only', () => {
    expect(feed(`${NONCE}\n${NONCE} not-started bad-cwd\n${NONCE} exit 127\n`, 5).report).toEqual({
      what: 'not-started',
      why: 'bad-cwd',
    })
  })
})
