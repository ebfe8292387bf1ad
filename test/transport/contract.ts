/** What every transport promises, tried on the real thing. Each test file gives one subject. */

import { mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StreamName } from '../../src/process/stream-name.ts'
import type {
  Command,
  ExecOptions,
  ExecResult,
  Exited,
  Transport,
  TransportOptions,
} from '../../src/transport/transport.ts'
import { drive } from '../rig/transport-driver.ts'

export type Subject = {
  /** What the wire cannot carry, said here so that each gap stands in the list of tests. */
  traits: {
    /** The name of the signal, and not only 128 + N. */
    namesSignals: boolean
    /** Told apart from a program that exits with 126 or 127. */
    knowsNotStarted: boolean
    /** Bytes that are no UTF-8 arrive as they are. */
    exactBytes: boolean
    /** Output arrives while the command runs. */
    live: boolean
    /** A cancelled command is ended at the target. */
    cancels: boolean
    /** Is over when the command is, even if something that it left behind holds its output open. */
    endsWithCommand: boolean
    durable: boolean
    /** A tenth of a second for a command: some tests take samples. */
    isSlow?: boolean
    /** Durable commands start once under a key. */
    keys: boolean
  }
  open(): Promise<Opened>
}

export type Opened = {
  transport: Transport
  close(): Promise<void>
  /** For a process of its own that opens the same target. */
  target: string
  options: TransportOptions
  /** Breaks the link while commands run; undefined where there is none. */
  breakLink?(): Promise<void>
}

export type Run = (
  argv: readonly string[],
  options?: Partial<ExecOptions> & Omit<Command, 'argv'>,
) => Promise<ExecResult>

export function transportContract(name: string, { traits, open }: Subject): void {
  describe(`${name}: the contract of transports`, () => {
    let transport: Transport
    let folder: string
    let opened: Opened
    beforeAll(async () => {
      folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-contract-')))
      opened = await open()
      transport = opened.transport
    })
    afterAll(async () => {
      await opened?.close()
      rmSync(folder, { recursive: true, force: true })
    })

    const run: Run = (argv, { cwd, env, ...options } = {}) =>
      transport.exec({ argv, cwd, env }, { timeoutMs: 30_000, ...options })
    const exited = async (...call: Parameters<Run>): Promise<Exited> => {
      const result = await run(...call)
      if (result.kind !== 'exited') throw new Error(`not an exit: ${JSON.stringify(result)}`)
      return result
    }
    const text = async (...call: Parameters<Run>): Promise<string> => {
      const result = await exited(...call)
      expect(result.stderr.toString()).toBe('')
      expect(result.code).toBe(0)
      return result.stdout.toString()
    }
    const sh = (script: string, ...args: string[]) => ['/bin/sh', '-c', script, 'sh', ...args]
    const heartbeat =
      'trap "" TERM; (trap "" TERM; while :; do echo >> "$1"; sleep 0.05; done) & while :; do sleep 0.1; done'
    const printed = (text: string) => text.split('\n').slice(0, -1)

    describe('what arrives', () => {
      it('every argument as it is, and nothing is ever read as syntax', async () => {
        const ascii = Array.from({ length: 127 }, (_, index) => String.fromCharCode(index + 1))
        const words = [
          '',
          ' ',
          '-',
          '--',
          '-n',
          '*',
          '?',
          '[a-z]',
          '{a,b}',
          '~',
          '$HOME',
          '$(id)',
          '`id`',
          '!!',
          '#',
          '\\',
          '\\\\',
          "'",
          "''",
          '"',
          `'"'`,
          '\n',
          'a\nb',
          '\n\n',
          '\r\n',
          '\t',
          'a=b',
          '=',
          '%s',
          '\u{1F600}',
          '\u00e9',
          '\u2028',
          '',
        ] // prettier-ignore
        const args = [...words, ...ascii, ...ascii.map(byte => `a${byte}b`)]
        // In hex, because the output of NUL bytes is another test.
        const script = 'for a do printf %s "$a" | od -An -v -tx1 | tr -d " \\n"; echo; done'
        const seen = printed(await text(sh(script, ...args))).map(hex => Buffer.from(hex, 'hex').toString())
        expect(seen).toEqual(args)
      })

      it('a program with a blank in its name, and no builtin in its place', async () => {
        const program = join(folder, 'a program')
        writeFileSync(program, '#!/bin/sh\necho "$#:$1"\n', { mode: 0o755 })
        expect(await text([program, 'it is'])).toBe('1:it is\n')
        expect(await text(['echo', '-e', 'a\\nb'])).toBe('a\nb\n')
      })

      it('the working directory, whatever its name', async () => {
        for (const name of ["it's a folder", '-', '$HOME', 'x\ny']) {
          const cwd = join(folder, name)
          await text(['mkdir', cwd])
          expect(await text(['pwd'], { cwd })).toBe(`${cwd}\n`)
        }
      })

      it('variables, on top of those that are there', async () => {
        const env = { A: "it's\n$x", 'a.b-c': '1', EMPTY: '', IFS: 'x', UID: '7' }
        const seen = (await text(['env', '-0'], { env })).split('\0')
        for (const [key, value] of Object.entries(env)) expect(seen).toContain(`${key}=${value}`)
        expect(seen.some(entry => entry.startsWith('PATH=/'))).toBe(true)
      })

      it('no terminal and no input', async () => {
        expect(await text(sh('cat; test -t 0 || test -t 1 || echo none'))).toBe('none\n')
      })
    })

    describe('what comes back', () => {
      it('every exit code', async () => {
        const all = Array.from({ length: 256 }, (_, code) => code)
        const codes = traits.isSlow
          ? all.filter(code => code < 4 || (code > 123 && code < 144) || code > 251)
          : all
        const seen: number[] = []
        for (let at = 0; at < codes.length; at += 4) {
          const four = codes.slice(at, at + 4).map(code => exited(sh(`exit ${code}`)))
          for (const result of await Promise.all(four)) {
            seen.push(result.code)
            expect(result.signal).toBe(null)
          }
        }
        expect(seen).toEqual(codes)
      })

      it.each([
        ['TERM', 15],
        ['KILL', 9],
        ['SEGV', 11],
        ['HUP', 1],
      ] as const)('an end by SIG%s', async (signal, number) => {
        const result = await exited(sh(`kill -${signal} $$; sleep 10`))
        expect(result.code).toBe(128 + number)
        expect(result.signal).toBe(traits.namesSignals ? `SIG${signal}` : null)
      })

      it('a program that is not there', async () => {
        for (const program of ['hostops-no-such-program', join(folder, 'nothing')]) {
          const result = await run([program, 'x'])
          if (traits.knowsNotStarted) expect(result).toMatchObject({ kind: 'not-started', why: 'not-found' })
          else expect(result).toMatchObject({ kind: 'exited', code: 127 })
        }
        expect((await exited(sh('exit 127'))).code).toBe(127)
      })

      it('a program that cannot be executed', async () => {
        const file = join(folder, 'plain')
        writeFileSync(file, 'text\n', { mode: 0o644 })
        for (const program of [file, folder]) {
          const result = await run([program])
          if (traits.knowsNotStarted)
            expect(result).toMatchObject({ kind: 'not-started', why: 'not-executable' })
          else expect(result).toMatchObject({ kind: 'exited', code: 126 })
        }
        expect((await exited(sh('exit 126'))).code).toBe(126)
      })

      it('a working directory that is missing, or a file', async () => {
        const file = join(folder, 'file')
        writeFileSync(file, '')
        for (const cwd of [join(folder, 'missing'), file]) {
          const result = await run(['touch', join(folder, 'ran')], { cwd })
          expect(result).toMatchObject({ kind: 'not-started', why: 'bad-cwd' })
        }
        expect(await text(['ls', folder])).not.toContain('ran')
      })

      it('a command that nothing could run', async () => {
        for (const argv of [[], [''], ['a\0b'], ['echo', '\ud83d']])
          expect(await run(argv)).toMatchObject({ kind: 'not-started' })
        expect(await run(['pwd'], { cwd: 'a\0' })).toMatchObject({ kind: 'not-started' })
        expect(await run(['env'], { env: { 'A=B': '1' } })).toMatchObject({ kind: 'not-started' })
      })

      it('both streams, each by itself', async () => {
        const result = await exited(sh('echo out; echo err >&2; exit 3'))
        expect(result).toMatchObject({ code: 3, stdoutTruncated: false, stderrTruncated: false })
        expect(result.stdout.toString()).toBe('out\n')
        expect(result.stderr.toString()).toBe('err\n')
        expect(result.durationMs).toBeGreaterThanOrEqual(0)
      })

      it('output that has no last newline, and none at all', async () => {
        expect(await text(['printf', 'x'])).toBe('x')
        expect(await text(['true'])).toBe('')
      })
    })

    describe('output', () => {
      it.runIf(traits.exactBytes)('bytes that are no text', async () => {
        const script = 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i+1)); done'
        const chunks: Record<StreamName, Buffer[]> = { stdout: [], stderr: [] }
        const onOutput: ExecOptions['onOutput'] = (stream, chunk) => chunks[stream].push(Buffer.from(chunk))
        const result = await exited(sh(`${script}; { ${script}; } >&2`), { onOutput })
        const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
        expect(result.stdout).toEqual(all)
        expect(result.stderr).toEqual(all)
        expect(Buffer.concat(chunks.stdout)).toEqual(all)
        expect(Buffer.concat(chunks.stderr)).toEqual(all)
      })

      it.runIf(traits.live)('arrives while the command runs', async () => {
        const go = join(folder, 'go')
        let seen = ''
        const running = run(sh('echo ready; while [ ! -e "$1" ]; do sleep 0.05; done; echo done', go), {
          onOutput: (_, chunk) => {
            if (seen === '') writeFileSync(go, '')
            seen += chunk.toString()
          },
        })
        expect(await running).toMatchObject({ kind: 'exited', code: 0 })
        expect(seen).toBe('ready\ndone\n')
      })

      it('64 MiB leave memory as it was, and the first bytes are kept', async () => {
        const before = process.memoryUsage().rss
        let peak = 0
        let bytes = 0
        const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20)
        const result = await exited(sh('yes 0123456789abcde | head -c 67108864'), {
          keepBytes: 1000,
          onOutput: (_, chunk) => {
            bytes += chunk.length
          },
        })
        clearInterval(timer)
        expect(result.stdout.length).toBe(1000)
        expect(result.stdout.subarray(0, 16).toString()).toBe('0123456789abcde\n')
        expect(result.stdoutTruncated).toBe(true)
        expect(result.stderrTruncated).toBe(false)
        if (traits.live) expect(bytes).toBe(67_108_864)
        expect((peak - before) / 1024 / 1024).toBeLessThan(traits.live ? 48 : 200)
      })

      it('exactly as much as is kept is not truncated', async () => {
        const result = await exited(['printf', '12345'], { keepBytes: 5 })
        expect(result).toMatchObject({ stdoutTruncated: false })
        expect(await exited(['printf', '123456'], { keepBytes: 5 })).toMatchObject({ stdoutTruncated: true })
      })

      it.runIf(traits.endsWithCommand)(
        'of a process that is left behind does not hold up the end',
        async () => {
          const started = Date.now()
          const result = await exited(sh('echo here; sleep 20 & exit 4'))
          expect(result.code).toBe(4)
          expect(result.stdout.toString()).toBe('here\n')
          expect(Date.now() - started).toBeLessThan(15_000)
        },
      )
    })

    describe('an end by force', () => {
      it('the limit: grandchildren that ignore TERM are gone too, and what was written is kept', async () => {
        const file = join(folder, 'beat-timeout')
        const result = await run(sh(`echo before; ${heartbeat}`, file), { timeoutMs: 700 })
        expect(result).toMatchObject({ kind: 'timeout' })
        expect(result.kind === 'timeout' && result.stdout.toString()).toBe('before\n')
        expect(beats(file)).toBeGreaterThan(0)
        expect(await isStill(file)).toBe(true)
      })

      it('the limit holds for a command that has closed its output', async () => {
        const file = join(folder, 'beat-closed')
        const script = `exec >/dev/null 2>&1; ${heartbeat}`
        expect(await run(sh(script, file), { timeoutMs: 500 })).toMatchObject({ kind: 'timeout' })
        expect(await isStill(file)).toBe(true)
      })

      it('cancelled before it began: nothing runs', async () => {
        const file = join(folder, 'never')
        const result = await run(['touch', file], { signal: AbortSignal.abort() })
        expect(result).toMatchObject({ kind: 'cancelled' })
        expect(await text(['ls', folder])).not.toContain('never')
      })

      it('cancelled while it runs: grandchildren are gone too', async () => {
        const file = join(folder, 'beat-cancel')
        const controller = new AbortController()
        const running = run(sh(heartbeat, file), {
          signal: controller.signal,
          timeoutMs: traits.cancels ? 60_000 : 3000,
        })
        await until(() => beats(file) > 3)
        controller.abort()
        expect(await running).toMatchObject({
          kind: traits.cancels ? 'cancelled' : expect.stringMatching(/cancelled|lost/),
        })
        if (traits.cancels) expect(await isStill(file)).toBe(true)
        else await until(() => true)
      })

      it('cancelled after its end: nothing happens, and no listener is left', async () => {
        const controller = new AbortController()
        expect(await run(['true'], { signal: controller.signal })).toMatchObject({ kind: 'exited', code: 0 })
        controller.abort()
        expect(await text(['echo', 'still here'])).toBe('still here\n')
      })

      it('a command that ends orderly on TERM', async () => {
        const file = join(folder, 'orderly')
        const script = 'trap "echo bye > $1; exit 0" TERM; echo up; while :; do sleep 0.05; done'
        const result = await run(sh(script, file), { timeoutMs: 700 })
        expect(result).toMatchObject({ kind: 'timeout' })
        expect(readFileSync(file, 'utf8')).toBe('bye\n')
      })
    })

    describe('many commands', () => {
      it('at once: each gets its own answer', async () => {
        const results = await Promise.all(
          Array.from({ length: 24 }, (_, index) => run(sh('sleep 0.1; echo "$1"; exit "$1"', String(index)))),
        )
        for (const [index, result] of results.entries()) {
          expect(result).toMatchObject({ kind: 'exited', code: index })
          expect(result.kind === 'exited' && result.stdout.toString()).toBe(`${index}\n`)
        }
      })

      it('one after another', async () => {
        for (let index = 0; index < (traits.isSlow ? 10 : 40); index++)
          expect(await text(['echo', String(index)])).toBe(`${index}\n`)
      })
    })

    describe.runIf(traits.durable)('durable commands', () => {
      const durable = { durable: true }

      it('end like others, with output and code', async () => {
        const seen: string[] = []
        const result = await exited(sh('echo out; echo err >&2; pwd; echo "$A"; exit 3'), {
          ...durable,
          cwd: folder,
          env: { A: "it's" },
          onOutput: (stream, chunk) => seen.push(`${stream}:${chunk}`),
        })
        expect(result.code).toBe(3)
        expect(result.stdout.toString()).toBe(`out\n${folder}\nit's\n`)
        expect(result.stderr.toString()).toBe('err\n')
        expect(seen.join('')).toContain('stderr:err\n')
      })

      it('show their output while they run', async () => {
        const go = join(folder, 'go-durable')
        let seen = ''
        const result = await run(sh('echo ready; while [ ! -e "$1" ]; do sleep 0.05; done; echo done', go), {
          ...durable,
          onOutput: (_, chunk) => {
            if (seen === '') writeFileSync(go, '')
            seen += chunk.toString()
          },
        })
        expect(result).toMatchObject({ kind: 'exited', code: 0 })
        expect(seen).toBe('ready\ndone\n')
      })

      it('know their limit', async () => {
        const file = join(folder, 'beat-durable')
        const result = await run(sh(`echo before; ${heartbeat}`, file), { ...durable, timeoutMs: 700 })
        expect(result).toMatchObject({
          kind: 'timeout',
        })
        expect('stdout' in result && result.stdout.toString()).toBe('before\n')
        expect(await isStill(file)).toBe(true)
      })

      it('can be cancelled', async () => {
        const file = join(folder, 'beat-durable-cancel')
        const controller = new AbortController()
        const running = run(sh(heartbeat, file), { ...durable, signal: controller.signal })
        await until(() => beats(file) > 3)
        controller.abort()
        expect(await running).toMatchObject({ kind: 'cancelled' })
        expect(await isStill(file)).toBe(true)
      })

      it('that cannot start say so', async () => {
        const missing = join(folder, 'missing')
        expect(await run(['true'], { ...durable, cwd: missing })).toMatchObject({
          kind: 'not-started',
          why: 'bad-cwd',
        })
        const none = await run([missing], durable)
        if (traits.knowsNotStarted) expect(none).toMatchObject({ kind: 'not-started', why: 'not-found' })
        else expect(none).toMatchObject({ kind: 'exited', code: 127 })
      })

      it.runIf(traits.keys)('start once under their key', async () => {
        const file = join(folder, 'starts')
        const script = sh('echo started >> "$1"; sleep 0.3; echo out; exit 5', file)
        const options = { ...durable, key: `run/step/${'x'.repeat(300)}/${Date.now()}` }
        const results = await Promise.all([run(script, options), run(script, options)])
        results.push(await run(script, options))
        for (const result of results) {
          expect(result).toMatchObject({ kind: 'exited', code: 5 })
          expect(result.kind === 'exited' && result.stdout.toString()).toBe('out\n')
        }
        expect(readFileSync(file, 'utf8')).toBe('started\n')
        expect(await run(['true'], options)).toMatchObject({ kind: 'not-started' })
      })

      it('outlive the process that asked for them', async () => {
        const file = join(folder, 'outlives')
        const key = `outlives-${Date.now()}`
        const argv = sh(
          'echo begun; while [ ! -e "$1.go" ]; do sleep 0.05; done; echo end; echo finished > "$1"; exit 6',
          file,
        )
        const exec = { durable: true, ...(traits.keys ? { key } : {}) }
        const driven = await drive({ target: opened.target, options: opened.options, argv, exec })
        await until(() => driven.text().includes('begun'))
        driven.kill()
        await driven.ended
        writeFileSync(`${file}.go`, '')
        await until(() => beats(file) > 0)
        if (!traits.keys) return
        const result = await exited(argv, exec)
        expect(result.code).toBe(6)
        expect(result.stdout.toString()).toBe('begun\nend\n')
      })
    })

    it('closing twice is closing once', async () => {
      const another = await open()
      await another.transport.close()
      await another.transport.close()
      await another.close()
    })
  })
}

function beats(file: string): number {
  try {
    return statSync(file).size
  } catch {
    return 0
  }
}

async function isStill(file: string): Promise<boolean> {
  const size = beats(file)
  await sleep(400)
  return beats(file) === size
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 600) throw new Error('waited in vain')
    await sleep(50)
  }
}
