/** What of a journal is there after anything that can happen to its file. */
import fs, { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openJournalFile } from '../../src/runs/journal-file.ts'
import { JOURNAL_VERSION, journalId, parseJournal } from '../../src/runs/journal-text.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-journal-'))
  path = join(folder, 'journal.ndjson')
})
afterEach(() => rmSync(folder, { recursive: true }))

const line = (seq: number, text = '') => JSON.stringify({ v: 1, seq, type: 'said', id: 'a', line: text })
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at)
const lines = (count: number) => numbers(1, count).map(seq => line(seq))
const content = () => readFileSync(path, 'utf8')
const parsed = (text = content()) => parseJournal(Buffer.from(text))

test('while it is written each line of it is JSON, and its size is seldom another one', () => {
  const file = openJournalFile(path)
  const sizes = new Set<number>()
  for (let seq = 1; seq <= 200; seq += 1) {
    file.append(line(seq, 'x'.repeat(seq)))
    sizes.add(statSync(path).size)
    const said = content().split('\n')
    expect(said.pop()).toBe('')
    expect(said.map(each => JSON.parse(each).seq)).toEqual(numbers(1, seq))
    // Nothing of it is seen on a terminal, which does not go beyond its last column for a tab.
    expect(content().replaceAll('\t', '')).toBe(`${said.map(each => each.trimEnd()).join('\n')}\n`)
  }
  expect([...sizes].every(size => size % 16_384 === 0)).toBe(true)
  // What makes the waits short: most lines leave the size as it is.
  expect(sizes.size).toBeLessThan(5)
  file.close()
})

test('closed it is its lines and nothing else; nothing was said, and it is empty', () => {
  openJournalFile(path).close()
  expect(content()).toBe('')
  const file = openJournalFile(path)
  file.append(lines(3).join('\n'))
  file.close()
  expect(content()).toBe(`${lines(3).join('\n')}\n`)
  const again = openJournalFile(path)
  expect(again.said.entries.length).toBe(3)
  again.append(line(4))
  again.close()
  expect(content()).toBe(`${lines(4).join('\n')}\n`)
})

test('it is known by the same id to whoever opens it, whatever letters its first line has', () => {
  const first = line(1, 'grüße aus 東京')
  openJournalFile(path).append(first)
  expect(openJournalFile(path).said.id).toBe(journalId(first))
  expect(parsed().id).toBe(journalId(first))
})

test.each([
  ['room behind its last line', `${line(1)}\n${line(2)}\t\t\t\n`],
  ['room that was made and not used', `${line(1)}\n${line(2)}\t\t\n\t\t\t\n`],
  ['room that a full disk took a part of', `${line(1)}\n${line(2)}\t\t\n\t\t`],
  ['a torn line', `${line(1)}\n${line(2)}\n${line(3).slice(0, 20)}`],
  ['a torn line with room behind it', `${line(1)}\n${line(2)}\n${line(3).slice(0, 20)}\t\t\t\n`],
  ['an end of line and no line yet', `${line(1)}\n${line(2)}\n\t\t\t\n`],
  ['a lost line and whole ones behind it', `${line(1)}\n${line(2)}\n\t\t\n${line(4)}\n${line(5)}\n`],
  ['zeros in place of a line', `${line(1)}\n${line(2)}\n\0\0\0\n${line(4)}\n`],
])('who goes on with one that has %s goes on behind its last whole line', (_, text) => {
  writeFileSync(path, text)
  const file = openJournalFile(path)
  expect(file.said.entries.length).toBe(2)
  expect(content()).toBe(`${lines(2).join('\n')}\n`)
  file.append(line(3))
  file.append(line(4))
  expect(parsed().entries).toHaveLength(4)
  file.close()
  expect(content()).toBe(`${lines(4).join('\n')}\n`)
})

test('one of a newer hostops is left as it is', () => {
  const text = `${line(1)}\n${line(2).replace('"v":1', `"v":${JOURNAL_VERSION + 1}`)}\n`
  writeFileSync(path, text)
  expect(() => openJournalFile(path)).toThrow('newer hostops')
  expect(content()).toBe(text)
})

/** Calls the real one for all but what is `meant`, of which half is written and then there is no room. */
function halfWritten(meant: (data: Buffer) => boolean, restores = true): () => void {
  const { writeSync } = fs
  let failed = false
  fs.writeSync = ((descriptor: number, data: Buffer, from: number, length: number, place: number) => {
    if (!failed && meant(data)) {
      if (from > 0) failed = true
      else return writeSync(descriptor, data, 0, length >> 1, place)
    }
    if (failed && (meant(data) || !restores)) throw new Error('ENOSPC: no space left on device, write')
    return writeSync(descriptor, data, from, length, place)
  }) as typeof fs.writeSync
  syncBuiltinESMExports()
  return () => {
    fs.writeSync = writeSync
    syncBuiltinESMExports()
  }
}

test('of a line that fits only by half nothing stays, and a shorter one follows', () => {
  const file = openJournalFile(path)
  file.append(line(1))
  const heal = halfWritten(data => data.includes('long'))
  try {
    expect(() => file.append(line(2, 'long '.repeat(100)))).toThrow('ENOSPC')
  } finally {
    heal()
  }
  expect(content().trimEnd()).toBe(line(1))
  file.append(line(2))
  expect(parsed()).toMatchObject({ torn: false, entries: { length: 2 } })
  file.close()
  expect(content()).toBe(`${lines(2).join('\n')}\n`)
})

test('where half a line cannot even be taken back, nothing is ever written behind it', () => {
  const file = openJournalFile(path)
  file.append(line(1))
  const heal = halfWritten(data => data.includes('long'), false)
  try {
    expect(() => file.append(line(2, 'long '.repeat(100)))).toThrow('ENOSPC')
  } finally {
    heal()
  }
  expect(() => file.append(line(2))).toThrow('ENOSPC')
  expect(parsed().entries).toHaveLength(1)
})

const SECTOR = 512

/** What a disk may hold after a power cut: of what was written since the last wait any sector, or not; zeros where none. */
function afterPowerCut(kept: Buffer, written: Buffer, sectors: boolean[], isGrown: boolean): Buffer {
  const disk = Buffer.alloc(isGrown ? written.length : kept.length)
  kept.copy(disk)
  for (let at = 0; at * SECTOR < disk.length; at += 1)
    if (sectors[at % sectors.length]) written.copy(disk, at * SECTOR, at * SECTOR, (at + 1) * SECTOR)
  return disk
}

test('after a power cut all that was waited for is there, and of the rest a beginning', () => {
  const lengths = fc.array(fc.oneof(fc.nat(300), fc.nat(3000), fc.constant(9000)), { maxLength: 25 })
  const loss = fc.record({
    before: lengths,
    since: lengths,
    sectors: fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }),
    isGrown: fc.boolean(),
  })
  fc.assert(
    fc.property(loss, ({ before, since, sectors, isGrown }) => {
      rmSync(path, { force: true })
      const texts = [...before, ...since].map((length, at) => line(at + 1, 'x'.repeat(length)))
      const file = openJournalFile(path)
      for (const text of texts.slice(0, before.length)) file.append(text)
      const kept = readFileSync(path)
      for (const text of texts.slice(before.length)) file.append(text)
      const disk = afterPowerCut(kept, readFileSync(path), sectors, isGrown)
      writeFileSync(path, disk)
      const { entries } = parseJournal(disk)
      expect(entries.length).toBeGreaterThanOrEqual(before.length)
      // None of them with a hole in its words.
      expect(entries.map(({ event }) => event)).toEqual(
        texts
          .slice(0, entries.length)
          .map(text => parsed(`${text.replace(/"seq":\d+/, '"seq":1')}\n`).entries[0]?.event),
      )
      const next = openJournalFile(path)
      expect(next.said.entries.length).toBe(entries.length)
      next.append(line(entries.length + 1, 'resumed'))
      next.close()
      expect(parsed()).toMatchObject({ torn: false, entries: { length: entries.length + 1 } })
    }),
    { numRuns: 150 },
  )
})
