/** Journals of real runs, whole and cut off, are what schemas/journal.schema.json says, line by line. */
import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { crashWorld } from '../rig/crash.ts'
import { crashBase } from '../rig/crash-service.ts'

const schema = JSON.parse(readFileSync(new URL('../../schemas/journal.schema.json', import.meta.url), 'utf8'))
const isEntry = new Ajv({ strict: false, formats: { 'date-time': true } }).compile(schema)

let base: ReturnType<typeof crashBase>
beforeAll(() => {
  base = crashBase()
})
afterAll(() => base.remove())

test('every line of a run that went well, of one taken back, of one resumed, and of a check', async () => {
  const seen = new Set<string>()
  for (const [version, die, then] of [
    ['v2', '', ['rollback', 'r']],
    ['v3', '', null],
    ['v2', 'after:12', ['resume', 'r']],
    ['v4', 'torn:9', ['rollback', 'r']],
  ] as const) {
    const world = await crashWorld(base.app)
    try {
      await world.upgrade(version, die)
      if (then) await world.hostops(then)
      const check = await world.rig.run([
        'run',
        world.rig.path('upgrade.yaml'),
        '-i',
        'ref=v2',
        '--check',
        '--run-id',
        'c',
      ])
      expect(check.report.dryRun, check.stderr).toBe(true)
      for (const file of [world.journalFile, world.journalFile.replace('/r/', '/c/')]) {
        const text = readFileSync(file, 'utf8')
        expect(text.endsWith('\n')).toBe(true)
        text
          .trimEnd()
          .split('\n')
          .forEach((line, at) => {
            const entry = JSON.parse(line)
            expect(isEntry(entry), `${line}\n${JSON.stringify(isEntry.errors)}`).toBe(true)
            expect(entry.seq).toBe(at + 1)
            seen.add(entry.type)
          })
      }
    } finally {
      await world.remove()
    }
  }
  for (const type of ['recorded', 'resumed', 'step-started', 'rollback-finished', 'checked', 'run-finished'])
    expect(seen).toContain(type)
})

test.each([
  [
    'a field that is not described',
    { v: 1, seq: 1, at: '2026-11-20T18:09:00.000Z', type: 'snapshot-started', more: 1 },
  ],
  ['a type that is not described', { v: 1, seq: 1, at: '2026-11-20T18:09:00.000Z', type: 'whatever' }],
  ['a newer version', { v: 3, seq: 1, at: '2026-11-20T18:09:00.000Z', type: 'snapshot-started' }],
])('the schema does not know %s', (_, entry) => {
  expect(isEntry(entry)).toBe(false)
})
