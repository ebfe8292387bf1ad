import { describe, expect, test } from 'vitest'
import { JOURNAL_VERSION, parseJournal } from '../../src/runs/journal-text.ts'

const line = (seq: number, event: object = { type: 'snapshot-started' }) =>
  JSON.stringify({ v: 1, seq, at: 'now', ...event })
const parsed = (text: string, after?: number) => parseJournal(Buffer.from(text), after)
const read = (text: string) => {
  const { entries, torn, newer, end } = parsed(text)
  return { lines: entries.length, torn, newer, end }
}
const whole = { torn: false, newer: false }

describe('a journal as text', () => {
  test('is read without its torn last line', () => {
    const said = line(1)
    const text = `${said}\n{"v":1,"seq":2,"type":"step-st`
    expect(read(text)).toEqual({ lines: 1, torn: true, newer: false, end: said.length })
    expect(parsed(text).entries).toEqual([{ v: 1, seq: 1, at: 'now', event: { type: 'snapshot-started' } }])
  })
  test('is read up to a line that is broken in the middle', () => {
    expect(read(`${line(1)}\n\0\0\0\n${line(2)}\n`)).toMatchObject({ lines: 1, torn: true })
  })
  test('is read without the room behind its lines', () => {
    const said = `${line(1)}\n${line(2)}`
    expect(read(`${said}\t\t\t\n`)).toEqual({ ...whole, lines: 2, end: said.length })
    expect(read(`${said}\t\t\t\n\t\t\t\n`)).toEqual({ ...whole, lines: 2, end: said.length })
    expect(read(`${said}\t\t\t\n\t\t`)).toEqual({ ...whole, lines: 2, end: said.length })
    expect(read('\t\t\t\n')).toEqual({ ...whole, lines: 0, end: 0 })
    expect(parsed(`${line(1)}\t\n`).id).toBe(parsed(`${line(1)}\n`).id)
  })
  test('is read without a line that was torn in the middle of that room', () => {
    expect(read(`${line(1)}\n{"v":1,"seq":2,"ty\t\t\t\n`)).toMatchObject({ lines: 1, torn: true })
  })
  test('is read with a line whose end a power cut has taken, and the beginning of the next one', () => {
    const said = `${line(1)}\n${line(2)}`
    for (const rest of [`"said"}\n${line(4)}\n`, '"sai'])
      expect(read(`${said}\t\t${rest}`)).toEqual({ lines: 2, torn: true, newer: false, end: said.length })
    expect(read(`${said}\t\t`)).toEqual({ ...whole, lines: 2, end: said.length })
  })
  test('is read up to a place where lines are missing: those behind it were promised to nobody', () => {
    const said = line(1)
    expect(read(`${said}\n\t\t\t\n${line(3)}\n`)).toEqual({
      lines: 1,
      torn: true,
      newer: false,
      end: said.length,
    })
    expect(read(`${line(2)}\n`)).toMatchObject({ lines: 0, torn: true })
    expect(read(`${line(1)}\n${line(1)}\n`)).toMatchObject({ lines: 1, torn: true })
  })
  test('of a newer hostops is not guessed at', () => {
    expect(read(`${line(1, { v: JOURNAL_VERSION + 1, type: 'x' })}\n`)).toMatchObject({
      lines: 0,
      torn: false,
      newer: true,
    })
  })
  test('is read on from the end of a line, and places in it are bytes', () => {
    const said = `${line(1, { type: 'said', line: 'grüße' })}\n${line(2)}`
    const { end } = parsed(`${said}\t\t\n`)
    expect(end).toBe(Buffer.byteLength(said))
    const rest = Buffer.from(`${said}\n${line(3)}\n${line(4)}\t\n`).subarray(end)
    const { entries, end: more } = parseJournal(rest, 2)
    expect(entries.map(({ seq }) => seq)).toEqual([3, 4])
    expect(more).toBe(rest.length - 2)
    expect(parsed(`\n${line(4)}\n`, 2)).toMatchObject({ torn: true, entries: [] })
  })
  test('of version 1 has the words of the present one, and lines of both', () => {
    const step = { id: 'a', name: 'a', uses: 'command', effect: 'read', about: {} }
    const { entries } = parsed(
      [
        line(1, { type: 'run-started', runId: 'r', playbook: 'p', target: 'local', steps: [step] }),
        line(2, { type: 'part-started', movement: 'restore', id: 'a' }),
        line(3, { type: 'part-started', movement: 'restore', id: 'a', times: 2 }),
        line(4, { type: 'rollback-finished', verified: true, remains: [], durationMs: 1 }),
        line(5, { type: 'interrupting', signal: 'SIGINT', hard: false }),
        line(6, {
          v: 2,
          type: 'resumed',
          runId: 'r',
          done: [],
          inFlight: null,
          by: { kind: 'user', name: 'u' },
        }),
        '',
      ].join('\n'),
    )
    expect(entries.map(({ v }) => v)).toEqual([1, 1, 1, 1, 1, 2])
    expect(entries.map(({ event }) => event)).toMatchObject([
      { caller: null, planHash: null, playbookDigest: null, steps: [{ id: 'a', log: '001-a.ndjson' }] },
      { times: 1 },
      { times: 2 },
      { notVerified: [], verified: true },
      { by: null, hard: false },
      { by: { kind: 'user', name: 'u' } },
    ])
  })
  test('may be empty', () => {
    expect(read('')).toEqual({ ...whole, lines: 0, end: 0 })
  })
})
