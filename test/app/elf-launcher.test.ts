/** The native launcher, really run: what reaches the program behind it is its words and its environment, and nothing else. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { elfLauncher, type Launcher } from '../../src/app/openclaw/elf-launcher.ts'

const ARCHS = (['x64', 'arm64'] as const).map(arch => {
  const qemu = `qemu-${arch === 'x64' ? 'x86_64' : 'aarch64'}-static`
  if (arch === process.arch && process.platform === 'linux')
    return { arch, through: [] as string[], can: true }
  return { arch, through: [qemu], can: spawnSync(qemu, ['--version']).status === 0 }
})

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-launcher-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Prints the bytes of its arguments and of its environment as JSON. */
const SHOW = `const { readFileSync } = require('node:fs')
const words = file => { const all = readFileSync(file, 'latin1').split('\\0'); all.pop(); return all }
process.stdout.write(JSON.stringify({ argv: words('/proc/self/cmdline'), env: words('/proc/self/environ') }))`

describe.each(ARCHS)('for $arch', ({ arch, through, can }) => {
  const launcher = (name: string, more: Partial<Launcher> = {}): string => {
    const file = join(folder, `${arch}-${name}`)
    writeFileSync(join(folder, 'show.cjs'), SHOW)
    const usual = { arch, program: process.execPath, words: [join(folder, 'show.cjs')], env: {} }
    writeFileSync(file, elfLauncher({ ...usual, ...more }))
    chmodSync(file, 0o755)
    return file
  }
  const run = (file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
    const [program = file, ...rest] = [...through, file, ...args]
    // As latin1, so that any byte can be one.
    return spawnSync(program, rest, { env, encoding: 'latin1', maxBuffer: 1e8 })
  }
  const shown = (file: string, args: readonly string[], env?: NodeJS.ProcessEnv) => {
    const { stdout, stderr, status } = run(file, args, env)
    expect([status, stderr]).toEqual([0, ''])
    return JSON.parse(Buffer.from(stdout, 'latin1').toString()) as { argv: string[]; env: string[] }
  }
  const fixed = () => [process.execPath, join(folder, 'show.cjs')]

  test.runIf(can)('passes the words of the caller on, whatever they hold', () => {
    const file = launcher('plain')
    for (const args of [[], [''], ['a', '', 'b c', '', '-x', '--', '$HOME `id` "\'\\\n\t'], ['\u0001\u007f']])
      expect(shown(file, args).argv).toEqual([...fixed(), ...args])
  })

  test.runIf(can)('no word of the caller makes Node read a file, wherever it stands', () => {
    const file = launcher('options')
    const read = [
      ...['--env-file', '--env-file=/nonexistent/a', '--env-file-if-exists=/nonexistent/b'],
      ...['--experimental-config-file', '--experimental-config-file=/nonexistent/c'],
      ...[
        '--experimental-default-config-file',
        '--config-file',
        '--Env-file',
        '--_',
        '--{',
        '--\u00e9',
        '-- ',
      ],
    ]
    for (const word of read)
      for (const [before, after] of [
        [[], []],
        [['run', 'x', '-i'], ['y']],
        [['--'], ['--', '--tail', '5']],
      ])
        expect(shown(file, [...before!, word, ...after!]).argv.slice(2), word).toEqual([
          ...before!,
          '--not-passed-on',
          ...after!,
        ])
    const passed =
      '--input a --run-id=b --plan --timeout --step --tail --help --version -- - -e -env-file x--env-file'
    expect(shown(file, ['', ...passed.split(' ')]).argv.slice(2)).toEqual(['', ...passed.split(' ')])
  })

  test.runIf(can && through.length === 0)('bytes that are no text', () => {
    const file = launcher('bytes')
    const { stdout } = spawnSync('sh', ['-c', `exec '${file}' "$(printf '\\377\\001\\200')"`], { env: {} })
    expect(JSON.parse(stdout.toString()).argv).toEqual([...fixed(), '\u00ff\u0001\u0080'])
  })

  test.runIf(can)('100 000 bytes of words, and 1000 of them', () => {
    const file = launcher('many')
    expect(shown(file, ['x'.repeat(100_000)]).argv[2]).toHaveLength(100_000)
    const many = Array.from({ length: 1000 }, (_, at) => `word ${at}`)
    expect(shown(file, many).argv.slice(2)).toEqual(many)
  })

  test.runIf(can)('has its own environment, and nothing of the caller', () => {
    const hostile = {
      NODE_OPTIONS: '--require /nonexistent/evil.js',
      NODE_PATH: '/nonexistent',
      LD_PRELOAD: '/nonexistent/evil.so',
      LD_LIBRARY_PATH: '/nonexistent',
      HOSTLINK_TOKEN_FILE: '/nonexistent/token',
      HOSTLINK_TOKEN: 'mine',
      PATH: '/nonexistent',
    }
    expect(shown(launcher('bare'), [], through.length > 0 ? {} : hostile).env).toEqual([])
    const env = { HOSTLINK_SOCKET: '/run/x', HOSTLINK_TOKEN_FILE: '/etc/ü=1', EMPTY: '' }
    const bytes = [
      `HOSTLINK_SOCKET=/run/x`,
      Buffer.from('HOSTLINK_TOKEN_FILE=/etc/ü=1').toString('latin1'),
      'EMPTY=',
    ]
    expect(shown(launcher('baked', { env }), [], through.length > 0 ? {} : hostile).env).toEqual(bytes)
  })

  test.runIf(can)('any number of fixed words', () => {
    for (const count of [0, 1, 2, 3, 40]) {
      const flags = Array.from({ length: count }, () => '--no-warnings')
      const words = [...flags, join(folder, 'show.cjs')]
      const { argv } = shown(launcher(`words-${count}`, { words }), ['last'])
      expect(argv).toEqual([process.execPath, ...words, 'last'])
    }
  })

  test.runIf(can)('a program that is not there ends in 127 and a line', () => {
    const { status, stdout, stderr } = run(launcher('gone', { program: '/nonexistent/node' }), ['x'])
    expect([status, stdout, stderr]).toEqual([127, '', 'cannot start /nonexistent/node\n'])
  })

  test('is small, and a program of this machine alone', () => {
    const bytes = elfLauncher({ arch, program: '/usr/bin/node', words: ['/x.cjs'], env: { A: 'b' } })
    expect(bytes.length).toBeLessThan(1000)
    expect(bytes.subarray(0, 4).toString('latin1')).toBe('\u007fELF')
    // No writable segment, and no executable stack.
    expect([bytes.readUInt32LE(64 + 4), bytes.readUInt32LE(64 + 56 + 4)]).toEqual([5, 6])
  })
})

test('words that cannot be passed are refused', () => {
  const usual = { arch: 'x64', program: '/bin/true', words: [], env: {} } as const
  expect(() => elfLauncher({ ...usual, words: ['a\0b'] })).toThrow(RangeError)
  expect(() => elfLauncher({ ...usual, env: { A: '\0' } })).toThrow(RangeError)
  expect(() => elfLauncher({ ...usual, program: 'node' })).toThrow(RangeError)
})
