/** A journal that is read along: each event once, in order, whatever becomes of its writer. */
import fs, { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { openJournal } from '../../src/runs/journal.ts'
import { openJournalFile } from '../../src/runs/journal-file.ts'
import { entryLine, JOURNAL_VERSION, type JournalEntry } from '../../src/runs/journal-text.ts'
import { journalFile, readJournal } from '../../src/runs/read-journal.ts'
import { placeHere } from '../../src/runs/runner-identity.ts'
import { type RunHead, writeHead } from '../../src/runs/runs-folder.ts'
import { journalBatches, openTail, watchJournal } from '../../src/runs/watch-journal.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const said = (line: string): Event => ({ type: 'said', id: 'a', phase: null, line })
const seqs = (entries: readonly JournalEntry[]) => entries.map(({ seq }) => seq)
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, at) => first + at)

function drained(tail: () => JournalEntry[]): JournalEntry[] {
  const seen: JournalEntry[] = []
  for (let more = tail(); more.length > 0; more = tail()) seen.push(...more)
  return seen
}

describe('what is read along of a file', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hostops-watch-'))
  })
  afterEach(() => {
    restore()
    rmSync(folder, { recursive: true })
  })

  const { writeSync } = fs
  const restore = () => {
    fs.writeSync = writeSync
    syncBuiltinESMExports()
  }
  /** Each write is seen in `pieces`, in any order, and the writer is killed after `most` of them. */
  function inPieces(pieces: readonly { bytes: number; isLast: boolean }[], most: number, seen: () => void) {
    let at = 0
    let left = most
    fs.writeSync = ((descriptor: number, data: Buffer, from: number, length: number, place: number) => {
      const parts: [number, number][] = []
      for (let begin = from; begin < from + length; ) {
        const { bytes, isLast } = pieces[at++ % pieces.length]!
        const part: [number, number] = [begin, Math.min(bytes, from + length - begin)]
        if (isLast) parts.push(part)
        else parts.unshift(part)
        begin += part[1]
      }
      for (const [begin, bytes] of parts) {
        if (left === 0) throw new Error('killed')
        left -= 1
        writeSync(descriptor, data, begin, bytes, place + begin - from)
        seen()
      }
      return length
    }) as typeof fs.writeSync
    syncBuiltinESMExports()
  }

  test('is each whole line once, in order, over writers that are killed at any byte', () => {
    const piece = fc.record({ bytes: fc.integer({ min: 1, max: 3000 }), isLast: fc.boolean() })
    const writer = fc.record({
      lines: fc.array(fc.oneof(fc.nat(60), fc.nat(60), fc.nat(600), fc.constant(9000)), {
        minLength: 1,
        maxLength: 8,
      }),
      pieces: fc.array(piece, { minLength: 1, maxLength: 20 }),
      most: fc.oneof(fc.nat(40), fc.constant(Number.POSITIVE_INFINITY)),
      looks: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
      batch: fc.integer({ min: 1, max: 3 }),
      closes: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(writer, { minLength: 1, maxLength: 5 }), writers => {
        rmSync(journalFile(folder), { force: true })
        const tail = openTail(folder)
        const seen: JournalEntry[] = []
        let written = 0
        for (const [number, { lines, pieces, most, looks, batch, closes }] of writers.entries()) {
          let look = 0
          inPieces(pieces, most, () => {
            if (looks[look++ % looks.length]) seen.push(...tail())
          })
          try {
            const file = openJournalFile(journalFile(folder))
            let seq = file.said.entries.length
            const texts = lines.map(length => {
              seq += 1
              const event = said(`${number} ${'ü'.repeat(length)}`)
              return entryLine({ v: JOURNAL_VERSION, seq, at: 'now', event })
            })
            while (texts.length > 0) file.append(texts.splice(0, batch).join('\n'))
            if (closes) file.close()
          } catch (error) {
            expect((error as Error).message).toBe('killed')
          } finally {
            restore()
          }
          const there = readJournal(folder).entries
          // What was said stays said, whoever comes next.
          expect(there.length).toBeGreaterThanOrEqual(written)
          written = there.length
          expect(seen).toEqual(there.slice(0, seen.length))
        }
        seen.push(...drained(tail))
        expect(seen).toEqual(readJournal(folder).entries)
        expect(seqs(seen)).toEqual(upTo(seen.length))
      }),
      { numRuns: 100 },
    )
  })

  test('is no line that is longer than what is read in one piece only by half', () => {
    const file = openJournalFile(journalFile(folder))
    const tail = openTail(folder)
    const lines = [10, 600_000, 10].map((length, at) =>
      entryLine({ v: JOURNAL_VERSION, seq: at + 1, at: 'now', event: said('x'.repeat(length)) }),
    )
    for (const line of lines) file.append(line)
    expect(drained(tail).map(entryLine)).toEqual(lines)
    file.close()
  })
})

describe('a run that is watched', () => {
  let rig: HostopsRig
  let folder: string
  beforeEach(() => {
    rig = hostopsRig()
    folder = join(rig.state, 'runs', 'r')
  })
  afterEach(() => rig.remove())

  const head = (more: Partial<RunHead> = {}): RunHead => ({
    ...{ runId: 'r', playbook: 'p', target: 'local', dryRun: false, startedAt: '2026-11-20T18:09:00.000Z' },
    ...placeHere(),
    ...more,
  })
  /** This process is its runner. */
  const begin = () => {
    mkdirSync(folder, { recursive: true })
    writeHead(folder, head())
    return openJournal(folder, Date.now)
  }
  const all = async <T>(given: AsyncIterable<T>): Promise<T[]> => {
    const seen: T[] = []
    for await (const each of given) seen.push(each)
    return seen
  }

  test('tells what was there, then what comes, and ends when its runner says that it has', async () => {
    const journal = begin()
    journal.write(said('before'))
    const watching = watchJournal(folder)
    expect((await watching.next()).value).toMatchObject({ seq: 1, event: said('before') })
    const next = watching.next()
    journal.write(said('live'))
    expect((await next).value).toMatchObject({ seq: 2, event: said('live') })
    const rest = all(watching)
    journal.write(said('last'))
    journal.close()
    writeHead(folder, head({ exitCode: 0 }))
    expect(await rest).toMatchObject([{ seq: 3, v: JOURNAL_VERSION, event: said('last') }])
  })

  test('is told from behind any line, in pieces that are never empty', async () => {
    const journal = begin()
    for (const seq of upTo(500)) journal.write(said(`${seq} ${'x'.repeat(1000)}`))
    journal.close()
    writeHead(folder, head({ exitCode: 0 }))
    for (const after of [0, 1, 250, 499, 500, 501]) {
      const batches = await all(journalBatches(folder, { after }))
      expect(seqs(batches.flat())).toEqual(upTo(500, after + 1))
      expect(batches.every(batch => batch.length > 0)).toBe(true)
    }
    expect((await all(journalBatches(folder))).length).toBeGreaterThan(1)
  })

  test('ends for who does not want to know any more, and without a run at once', async () => {
    expect(await all(watchJournal(folder))).toEqual([])
    begin().write(said('one'))
    const stop = new AbortController()
    const seen = all(watchJournal(folder, { signal: stop.signal }))
    await sleep(50)
    stop.abort()
    expect(seqs(await seen)).toEqual([1])
    expect(await all(watchJournal(folder, { signal: AbortSignal.abort() }))).toEqual([])
    rmSync(folder, { recursive: true })
    expect(await all(watchJournal(folder))).toEqual([])
  })

  test('tells what comes where no file system says that anything has', async () => {
    const { watch } = fs
    fs.watch = (() => {
      throw new Error('ENOSPC: System limit for number of file watchers reached')
    }) as unknown as typeof fs.watch
    syncBuiltinESMExports()
    try {
      const journal = begin()
      const seen = all(watchJournal(folder))
      await sleep(50)
      journal.write(said('one'))
      journal.close()
      writeHead(folder, head({ exitCode: 0 }))
      expect(seqs(await seen)).toEqual([1])
    } finally {
      fs.watch = watch
      syncBuiltinESMExports()
    }
  })

  test('stops at lines of a newer hostops, and says so', async () => {
    begin().write(said('one'))
    writeHead(folder, head({ exitCode: 0 }))
    const text = readFileSync(journalFile(folder), 'utf8').trimEnd()
    writeFileSync(journalFile(folder), `${text}\n`)
    appendFileSync(journalFile(folder), `{"v":${JOURNAL_VERSION + 1},"seq":2,"at":"now","type":"x"}\n`)
    const watching = watchJournal(folder)
    expect((await watching.next()).value).toMatchObject({ seq: 1 })
    await expect(watching.next()).rejects.toMatchObject({
      failure: { code: 'usage', what: 'newer-record', runId: 'r' },
    })
  })

  test('loses nothing where its runner is killed at any moment, and nothing of who goes on', async () => {
    const steps = upTo(30).map(n => ({ id: `s${n}`, script: `echo ${n}`, effect: n % 3 ? 'read' : 'write' }))
    const playbook = rig.playbook('many', steps)
    for (const atEntry of [1, 17, 71]) {
      const id = `r${atEntry}`
      const its = join(rig.state, 'runs', id)
      const run = rig.start(['run', playbook, '--run-id', id])
      while (!fs.existsSync(its)) await sleep(5)
      const seen: JournalEntry[] = []
      for await (const entry of watchJournal(its)) {
        seen.push(entry)
        if (entry.seq === atEntry) run.child.kill('SIGKILL')
      }
      await run.ended
      expect(seen).toEqual(readJournal(its).entries)
      const resumed = rig.start(['resume', id, '--assume', 'not-done'])
      while (readJournal(its).entries.length === seen.length) await sleep(5)
      for await (const entry of watchJournal(its, { after: seen.length })) seen.push(entry)
      expect((await resumed.ended).report.outcome).toBe('succeeded')
      expect(seen).toEqual(readJournal(its).entries)
      expect(seqs(seen)).toEqual(upTo(seen.length))
      expect(seen.at(-1)!.event).toMatchObject({ type: 'run-finished', outcome: 'succeeded' })
    }
  })
})
