/** The logs of steps: what is written, and what is read of them whatever has happened to their files. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { StepSummary } from '../../src/engine/events.ts'
import { type LogLine, logLine, logReader, logsInOrder, stepOfLog } from '../../src/runs/step-log-text.ts'
import { openLogs } from '../../src/runs/step-logs.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-logs-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const line = (text: string, more: Partial<LogLine> = {}): LogLine => ({
  ...{ at: 1, phase: '1', stream: 'stdout', text },
  ...more,
})
const read = (name: string) => logReader(name)(readFileSync(join(folder, name)))
const step = (id: string, log: string): StepSummary => ({
  ...{ id, name: id, uses: 'command', effect: null, about: {}, log },
})

test('each line says when, in which attempt and where it was printed, in the file that the run began with', () => {
  const logs = openLogs(folder)
  logs.expect([step('a', '001-a.ndjson'), step('b', '002-b.ndjson')])
  const lines = [
    line('one'),
    line('tab\there', { at: 2, stream: 'stderr' }),
    line('again', { at: 3, phase: '2' }),
    line('undone', { at: 4, phase: 'restore' }),
  ]
  for (const each of lines) logs.line('b', each)
  logs.line('lock', line('waits', { phase: null, stream: 'said' }))
  logs.close()
  expect(readdirSync(folder).sort()).toEqual(['002-b.ndjson', '003-lock.ndjson'])
  expect(read('002-b.ndjson')).toEqual(lines)
  expect(readFileSync(join(folder, '003-lock.ndjson'), 'utf8')).toBe('[1,null,"said","waits"]\n')
})

test('whoever follows a log sees a line soon, and not only when its step has ended', async () => {
  const logs = openLogs(folder)
  logs.line('a', line('one'))
  await expect.poll(() => readdirSync(folder)).toEqual(['001-a.ndjson'])
  expect(read('001-a.ndjson')).toEqual([line('one')])
  logs.close()
})

test('a line that was cut takes no other one with it, whoever writes the next', () => {
  const first = openLogs(folder)
  first.line('a', line('one'))
  first.finish('a')
  appendFileSync(join(folder, '001-a.ndjson'), '[2,"1","stdout","half')
  const second = openLogs(folder)
  second.line('a', line('two'))
  second.close()
  expect(read('001-a.ndjson')).toEqual([line('one'), { text: '[2,"1","stdout","half' }, line('two')])
})

test('where no log can be written nothing is thrown', () => {
  const logs = openLogs(join(folder, 'file', 'below'))
  writeFileSync(join(folder, 'file'), '')
  logs.line('a', line('x'.repeat(20_000)))
  logs.finish('a')
  logs.close()
})

test('a log of an older version is read line by line as it is, and comes before the newer ones', () => {
  writeFileSync(join(folder, '001-a.log'), '[1]\n\nlast\nno end')
  expect(read('001-a.log')).toEqual([{ text: '[1]' }, { text: '' }, { text: 'last' }])
  expect(logsInOrder(['002-b.ndjson', '003-c.log', 'x.tmp', '001-a.ndjson'])).toEqual([
    ...['003-c.log', '001-a.ndjson', '002-b.ndjson'],
  ])
  expect(['002-git.fetch.ndjson', '002-git.fetch.log'].map(stepOfLog)).toEqual(['git.fetch', 'git.fetch'])
})

test('its lines are the same however its bytes come', () => {
  const lines = fc.array(fc.record({ at: fc.nat(), text: fc.string({ unit: 'grapheme' }) }), { maxLength: 9 })
  fc.assert(
    fc.property(lines, fc.array(fc.nat(30)), (given, cuts) => {
      const all = given.map(({ at, text }) => line(text, { at }))
      const bytes = Buffer.from(all.map(logLine).join(''))
      const take = logReader('001-a.ndjson')
      const seen: unknown[] = []
      let from = 0
      for (const cut of [...cuts, bytes.length]) {
        seen.push(...take(bytes.subarray(from, from + cut)))
        from += cut
      }
      expect(seen).toEqual(all)
    }),
  )
})
