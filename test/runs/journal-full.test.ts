/** What the journal must hold before it is acted on, on a real disk that is full. */
import fs, { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { openJournal } from '../../src/runs/journal.ts'
import { smallDisk } from '../rig/small-disk.ts'

const started: Event = { type: 'step-started', id: 'a', effect: 'read', attempt: 1, commands: [] }
const awaited: Event = { type: 'confirm-awaited', id: 'a', deadline: 1 }

test.each([[started], [awaited]])('$type is not acted on where it cannot be written', async event => {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-journal-'))
  const disk = smallDisk(folder, '1m')
  if (disk === null) return rmSync(folder, { recursive: true })
  try {
    const journal = openJournal(folder, Date.now)
    journal.write(started)
    disk.fill()
    // What is left of the last block of the journal.
    for (let i = 0; i < 200; i++) journal.write({ type: 'said', id: 'a', phase: null, line: 'x'.repeat(100) })
    expect(() => journal.write(event)).toThrow(
      expect.objectContaining({ failure: expect.objectContaining({ code: 'state-unwritable' }) }),
    )
    disk.free()
    journal.write({ type: 'said', id: 'a', phase: null, line: 'last' })
    journal.close()
    const lines = readFileSync(join(folder, 'journal.ndjson'), 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_, at) => at + 1))
    expect(lines.filter(({ type }) => type === event.type)).toHaveLength(event === started ? 1 : 0)
    expect(lines.at(-1)).toMatchObject({ line: 'last' })
  } finally {
    disk.unmount()
    rmSync(folder, { recursive: true, force: true })
  }
})

test('its beginning is not on the disk where one of its files cannot be put there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-journal-'))
  writeFileSync(join(folder, 'plan.json'), '{}')
  const { fsync } = fs
  fs.fsync = ((descriptor: number, done: (error: Error | null) => void) =>
    fs.fstatSync(descriptor).isFile()
      ? setImmediate(done, new Error('EIO: i/o error, fsync'))
      : fsync(descriptor, done)) as typeof fs.fsync
  syncBuiltinESMExports()
  try {
    const journal = openJournal(folder, Date.now)
    await expect(journal.anchor()).rejects.toMatchObject({
      failure: { code: 'state-unwritable', problem: 'EIO: i/o error, fsync' },
    })
    journal.close()
  } finally {
    fs.fsync = fsync
    syncBuiltinESMExports()
    rmSync(folder, { recursive: true })
  }
})
