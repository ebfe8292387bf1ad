import { describe, expect, test } from 'vitest'
import { parseCommandLine } from '../../src/hostlink/cli/options.ts'

const parse = (line: string) => parseCommandLine(line === '' ? [] : line.split(' '))

describe('where options may stand', () => {
  test.each([
    '-T 5 -j exec ls',
    'exec -T 5 -j ls',
    '-T 5 exec -j ls',
    'exec --timeout=5 --json ls',
    '-jT5 exec ls',
  ])('%s', line => {
    expect(parse(line)).toMatchObject({
      command: 'exec',
      words: ['ls'],
      settings: { timeoutMs: 5, json: true },
    })
  })
  test('what stands behind the command of exec is its own', () => {
    expect(parse('exec ls -j --all -- x')).toMatchObject({
      words: ['ls', '-j', '--all', '--', 'x'],
      settings: { json: false },
    })
  })
  test('-- ends our options', () => {
    expect(parse('exec -j -- -x -y')).toMatchObject({ words: ['-x', '-y'], settings: { json: true } })
    expect(parse('-j -- exec ls')).toMatchObject({ command: 'exec', words: ['ls'] })
  })
  test('behind other subcommands they stand anywhere', () => {
    expect(parse('job tail 0123 -f --stderr')).toMatchObject({
      words: ['tail', '0123'],
      settings: { follow: true, tailStream: 'stderr' },
    })
    expect(parse('targets -P -j')).toMatchObject({ settings: { ping: true, json: true } })
  })
  test('options of job are unknown elsewhere', () => {
    expect(parse('exec -f ls')).toEqual({ kind: 'unknown-option', name: '-f' })
    expect(parse('--kill ping')).toMatchObject({ kind: 'unknown-option' })
  })
})

describe('values', () => {
  test.each([
    ['4096', 4096],
    ['64K', 65_536],
    ['64k', 65_536],
    ['4M', 4_194_304],
    ['1G', 1_073_741_824],
    ['0', 0],
  ])('size %s', (text, bytes) => {
    expect(parse(`-m ${text} ping`)).toMatchObject({
      settings: { maxStdoutBytes: bytes, maxStderrBytes: bytes },
    })
  })
  test.each(['-1', '4KB', '1.5M', 'K', '9999999999999999999', '99999999999G'])('no size: %s', text => {
    expect(parse(`-m ${text} ping`)).toMatchObject({ kind: 'bad-value', name: '-m' })
  })
  test('the later, narrower size wins', () => {
    expect(parse('-m 1K --max-stderr 2K ping')).toMatchObject({
      settings: { maxStdoutBytes: 1024, maxStderrBytes: 2048 },
    })
  })
  test.each(['-T -1', '-T 1.5', '-T 2147483648', '-C 0', '-T 5s'])('no duration: %s', option => {
    expect(parse(`${option} ping`)).toMatchObject({ kind: 'bad-value' })
  })
  test('variables', () => {
    expect(parse('-e A= -e B=x=y ping')).toMatchObject({ settings: { env: { A: '', B: 'x=y' } } })
    expect(parse('-e A ping')).toMatchObject({ kind: 'bad-value', name: '-e' })
    expect(parse('-e =x ping')).toMatchObject({ kind: 'bad-value', name: '-e' })
  })
  test('a token that is refused is not repeated', () => {
    expect(JSON.stringify(parseCommandLine(['--token=', 'ping']))).not.toContain('secret')
    expect(parse('--json=yes ping')).toEqual({ kind: 'needless-value', name: '--json' })
    expect(parse('ping -k')).toEqual({ kind: 'missing-value', name: '-k' })
  })
})
