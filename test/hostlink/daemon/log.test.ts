import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { escaped, openLog } from '../../../src/hostlink/daemon/config/log.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostlink-log-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const now = () => new Date('2026-01-01T00:00:00.123Z')

/** A stderr that is remembered, and that can be made to fail. */
function fakeStderr() {
  const lines: string[] = []
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk, _, done) => {
      lines.push(String(chunk))
      done()
    },
  })
  return { stream, lines }
}

test('lines have the form of the existing daemon, and the level is a threshold', () => {
  const { stream, lines } = fakeStderr()
  const log = openLog({ logTarget: 'stderr', logLevel: 'info' }, stream, now)
  log.info('listening')
  log.debug('not shown')
  log.warn('odd')
  expect(lines).toEqual(['[2026-01-01T00:00:00Z] [INFO] listening\n', '[2026-01-01T00:00:00Z] [WARN] odd\n'])
})

test('what a peer sent cannot forge a line or move the cursor', () => {
  expect(escaped('a\nb\u001b[2Kc\r\u009bd\u202ee\0')).toBe('a\\nb\\u001b[2Kc\\u000d\\u009bd\\u202ee\\u0000')
  expect(escaped('naïve ☃ text')).toBe('naïve ☃ text')
})

test('a file is appended to with mode 0600 and opened anew after it was rotated', () => {
  const target = join(folder, 'daemon.log')
  const log = openLog({ logTarget: target, logLevel: 'info' }, fakeStderr().stream, now)
  log.info('one')
  renameSync(target, `${target}.1`)
  log.configure({ logTarget: target, logLevel: 'debug' })
  log.debug('two')
  log.close()
  expect(readFileSync(`${target}.1`, 'utf8')).toBe('[2026-01-01T00:00:00Z] [INFO] one\n')
  expect(readFileSync(target, 'utf8')).toBe('[2026-01-01T00:00:00Z] [DEBUG] two\n')
})

test('a file that cannot be opened is said on stderr, where the log then goes', () => {
  const { stream, lines } = fakeStderr()
  const log = openLog({ logTarget: join(folder, 'no/where.log'), logLevel: 'info' }, stream, now)
  log.info('still here')
  expect(lines.join('')).toContain('no such file or directory; the log goes to stderr\n')
  expect(lines.at(-1)).toBe('[2026-01-01T00:00:00Z] [INFO] still here\n')
})

test('a full disk loses lines, throws nothing, and is said once there is room again', () => {
  const { stream, lines } = fakeStderr()
  const log = openLog({ logTarget: '/dev/full', logLevel: 'info' }, stream, now)
  log.info('one')
  log.info('two')
  log.configure({ logTarget: 'stderr', logLevel: 'info' })
  log.info('three')
  expect(lines).toEqual([
    '[2026-01-01T00:00:00Z] [WARN] 2 log lines before this one could not be written\n[2026-01-01T00:00:00Z] [INFO] three\n',
  ])
})
