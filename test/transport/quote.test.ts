import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { posixCommand, pwshCommand } from '../../src/transport/quote.ts'
import type { Command } from '../../src/transport/transport.ts'

/** Which shells are here; the others are named in the test list, so that a gap can be seen. */
const shells = [
  ['/bin/sh'],
  ['dash'],
  ['bash'],
  ['busybox', 'sh'],
  ['bash', '--posix'],
  ['zsh'],
  ['ksh'],
].map(shell => ({ shell, there: spawnSync(shell[0]!, [...shell.slice(1), '-c', ':']).status === 0 }))

let folder: string
let spy: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-quote-'))
  spy = join(folder, 'spy')
  writeFileSync(
    spy,
    `#!${process.execPath}\nprocess.stdout.write(JSON.stringify({argv: process.argv.slice(2), cwd: process.cwd(), env: process.env}))\n`,
  )
  chmodSync(spy, 0o755)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function text(command: Command): string {
  const quoted = posixCommand(command)
  if (!quoted.ok) throw new Error(quoted.problem)
  return quoted.text
}

/** What arrives, by printf, because a node process for each sample would take minutes. */
function arrived(shell: string[], argv: string[]): string[] {
  const command = text({ argv: ['/usr/bin/printf', '%s\\0', ...argv] })
  const out = execFileSync(shell[0]!, [...shell.slice(1), '-c', command], { cwd: folder, encoding: 'utf8' })
  return out.split('\0').slice(0, -1)
}

const nasty = [
  '',
  ' ',
  '-',
  '--',
  '-n',
  '--help',
  '*',
  '?',
  '[a-z]',
  '{a,b}',
  '~',
  '~root',
  '$HOME',
  '$' + '{x}',
  '$(id)',
  '`id`',
  '!',
  '!!',
  '#',
  '# x',
  ';',
  '&',
  '&&',
  '|',
  '<',
  '>',
  '(',
  ')',
  '\\',
  '\\\\',
  '\\n',
  "'",
  "''",
  '"',
  "'\"'",
  '\n',
  'a\nb',
  '\n\n',
  '\r\n',
  '\t',
  'a=b',
  '=',
  '%',
  '%s',
  '^',
  '\u{1F600}',
  '\u00e9',
  'e\u0301',
  '\u2028',
  '\ufeff',
  '\u2019',
] // prettier-ignore
const everyByte = Array.from({ length: 127 }, (_, index) => String.fromCharCode(index + 1))
const word = fc
  .oneof(
    fc.constantFrom(...nasty),
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: fc.constantFrom(...everyByte) }),
    fc.string({ unit: fc.constantFrom("'", '"', '\\', '$', '`', '\n', '!', ' ', 'a') }),
  )
  .filter(value => !/\0|\p{Surrogate}/u.test(value)) // prettier-ignore

describe.each(shells)('posix quoting in $shell', ({ shell, there }) => {
  it.skipIf(!there)('passes every ASCII byte, alone and doubled', () => {
    const args = everyByte.flatMap(byte => [byte, byte + byte, `a${byte}b`])
    expect(arrived(shell, args)).toEqual(args)
  })

  it.skipIf(!there)('passes every nasty word', () => {
    expect(arrived(shell, nasty)).toEqual(nasty)
  })

  it.skipIf(!there)('passes any words at all', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 40 }), args => {
        expect(arrived(shell, args)).toEqual(args)
      }),
      { numRuns: 60 },
    )
  })

  /** Some builds of busybox (Debian's static one) never look for a program that they have inside: no text changes that. */
  const isApplet = (name: string) => {
    if (shell[0] !== 'busybox') return false
    const found = spawnSync('busybox', ['sh', '-c', 'PATH=/nowhere; "$0" /dev/null', name], {
      stdio: 'ignore',
    })
    return found.status !== 127
  }

  it.skipIf(!there)('runs programs with any name, never a builtin, and sets any variable', () => {
    const names = ['echo', 'if', 'exit', '-x', '-a=b', 'a=b', 'a b', "it's", '*', '$x', 'A\nB', '{', '[', 'é']
    const env = { A: "it's\n$x", 'a.b-c': '1', UID: '7', EMPTY: '', IFS: 'x', '-u': 'y' }
    for (const name of names.filter(each => !isApplet(each))) {
      const directory = join(folder, 'bin')
      rmSync(directory, { recursive: true, force: true })
      mkdirSync(directory, { recursive: true })
      symlinkSync(spy, join(directory, name))
      const path = `${directory}:${process.env['PATH']}`
      for (const given of [env, undefined]) {
        const command = text({ argv: [name, '-e', 'a\\nb', ''], env: given, cwd: directory })
        const out = execFileSync(shell[0]!, [...shell.slice(1), '-c', command], {
          env: { ...process.env, PATH: path, CDPATH: '/' },
          encoding: 'utf8',
        })
        const seen = JSON.parse(out)
        expect(seen.argv, name).toEqual(['-e', 'a\\nb', ''])
        expect(seen.cwd).toBe(directory)
        if (given) expect(seen.env).toMatchObject(given)
      }
      rmSync(directory, { recursive: true })
    }
  })

  it.skipIf(!there)('goes to folders of any name, and nowhere when there is none', () => {
    for (const name of ['-', '--', '-P', '~', '$HOME', 'a b', "it's", 'x\ny', '*']) {
      const directory = join(folder, name)
      mkdirSync(directory)
      const run = (cwd: string) =>
        spawnSync(shell[0]!, [...shell.slice(1), '-c', text({ argv: ['/bin/pwd', '-P'], cwd })], {
          cwd: folder,
          env: { ...process.env, OLDPWD: '/usr', CDPATH: '/' },
          encoding: 'utf8',
        })
      expect(run(directory).stdout).toBe(`${directory}\n`)
      expect(run(name).stdout).toBe(`${directory}\n`)
      rmSync(directory, { recursive: true })
      const missing = run(directory)
      expect(missing.stdout).toBe('')
      expect(missing.status).not.toBe(0)
    }
  })
})

describe('what cannot be quoted', () => {
  it.each<[string, Command]>([
    ['the command has no program', { argv: [] }],
    ['the command has no program', { argv: ['', 'x'] }],
    ['argument 1 contains a NUL byte', { argv: ['a', 'b\0'] }],
    ['argument 1 contains half of a surrogate pair', { argv: ['a', '\ud83d'] }],
    ['argument 2 contains half of a surrogate pair', { argv: ['a', '\u{1F600}', 'x\ude00'] }],
    ['the working directory is empty', { argv: ['a'], cwd: '' }],
    ['the working directory contains a NUL byte', { argv: ['a'], cwd: '/\0' }],
    ['"A=B" cannot be the name of a variable', { argv: ['a'], env: { 'A=B': '' } }],
    ['"" cannot be the name of a variable', { argv: ['a'], env: { '': '' } }],
    ['the variable "A" contains a NUL byte', { argv: ['a'], env: { A: '\0' } }],
  ])('%s', (problem, command) => {
    expect(posixCommand(command)).toEqual({ ok: false, problem })
    expect(pwshCommand(command)).toEqual({ ok: false, problem })
  })
})

/** pwsh is not on the machines that this was written on: these texts follow about_Quoting_Rules and about_Parsing. */
describe('PowerShell (goldens, not run)', () => {
  const call = (argv: string[], dialect?: 'standard' | 'legacy') => {
    const quoted = pwshCommand({ argv }, dialect)
    if (!quoted.ok) throw new Error(quoted.problem)
    return quoted.text.split('; ').slice(1, -1).join('; ')
  }

  it('is one text with the folder, the variables and the exit code', () => {
    expect(pwshCommand({ argv: ['git', 'status'], cwd: "C:\\it's", env: { A: '$x', 'b c': '' } })).toEqual({
      ok: true,
      text: [
        "$ErrorActionPreference = 'Stop'",
        "Set-Location -LiteralPath 'C:\\it''s'",
        "[System.Environment]::SetEnvironmentVariable('A', '$x', 'Process')",
        "[System.Environment]::SetEnvironmentVariable('b c', '', 'Process')",
        "& 'git' 'status'",
        'exit $LASTEXITCODE',
      ].join('; '),
    })
  })

  it.each([
    [['a'], "& 'a'"],
    [['a', ''], "& 'a' ''"],
    [['a b', "it's"], "& 'a b' 'it''s'"],
    [['a', '\u2018\u2019\u201a\u201b'], "& 'a' '\u2018\u2018\u2019\u2019\u201a\u201a\u201b\u201b'"],
    [['a', '--%', '$x', '`', '@a', ';', '"'], "& 'a' '--%' '$x' '`' '@a' ';' '\"'"],
    [['a', 'x\ny'], "& 'a' 'x\ny'"],
  ])('standard %j', (argv, expected) => expect(call(argv)).toBe(expected))

  it.each([
    [['a', ''], `& 'a' '""'`],
    [['a', 'say "x"'], `& 'a' 'say \\"x\\"'`],
    [['a', '\\"'], `& 'a' '\\\\\\"'`],
    [['a', 'C:\\a b\\'], `& 'a' 'C:\\a b\\\\'`],
    [['a', 'C:\\ab\\'], `& 'a' 'C:\\ab\\'`],
  ])('legacy %j', (argv, expected) => expect(call(argv, 'legacy')).toBe(expected))
})
