/** Old runs go by number and by age; one that has not ended stays, however old it is. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { prune } from '../../src/runs/prune.ts'
import { smallDisk } from '../rig/small-disk.ts'

const NOW = Date.parse('2026-11-20T18:09:00Z')
const DAY_MS = 86_400_000

let state: string
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'hostops-prune-'))
})
afterEach(() => rmSync(state, { recursive: true }))

const left = () => readdirSync(join(state, 'runs')).length
const pruneAll = (keep: { runs: number; days: number }) => {
  for (let before = -1; before !== left(); ) {
    before = left()
    prune(state, keep, NOW)
  }
}

/** With an id that tells when it began, or one of the caller's own. */
function add(daysAgo: number, outcome: string | null, ownId?: string): string {
  const startedAt = new Date(NOW - daysAgo * DAY_MS).toISOString()
  const id = ownId ?? `${startedAt.replace(/[-:]|\.\d+/g, '')}-${String(made++).padStart(6, '0')}`
  const folder = join(state, 'runs', id)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ runId: id, startedAt, pid: 0, pidStarted: null }))
  writeFileSync(join(folder, 'journal.ndjson'), '')
  if (outcome !== null) writeFileSync(join(folder, 'report.json'), JSON.stringify({ outcome }))
  return id
}
let made = 0

test('by number: the newest stay, whatever their ids are', () => {
  const stay = [add(1, 'succeeded'), add(2, 'rolled-back', 'mine'), add(3, 'failed-changed')]
  for (let n = 4; n < 20; n += 1) add(n, 'succeeded', n % 3 === 0 ? `a-${n}` : undefined)
  pruneAll({ runs: 3, days: 1000 })
  expect(readdirSync(join(state, 'runs')).sort()).toEqual(stay.sort())
})

test('those of each caller are counted apart', () => {
  const owners = [add(500, 'succeeded'), add(400, 'rolled-back', 'mine')]
  const by = (id: string, kind: string, name: string) =>
    writeFileSync(
      join(state, 'runs', id, 'journal.ndjson'),
      `${JSON.stringify({ v: 2, seq: 1, type: 'run-started', caller: { by: { kind, name }, target: 'local' } })}\n`,
    )
  const agents = Array.from({ length: 20 }, (_, at) =>
    add(at, 'succeeded', at % 2 ? `99991231T235959Z-${at}` : undefined),
  )
  for (const id of owners) by(id, 'user', 'root')
  for (const id of agents) by(id, 'token', 'agent')
  pruneAll({ runs: 3, days: 1000 })
  const stay = readdirSync(join(state, 'runs'))
  expect(stay).toEqual(expect.arrayContaining(owners))
  expect(stay).toHaveLength(5)
})

test('by age: also when there are few', () => {
  const stay = [add(1, 'succeeded'), add(89, 'succeeded', 'mine')]
  add(91, 'succeeded')
  add(91, 'succeeded', 'old')
  pruneAll({ runs: 50, days: 90 })
  expect(readdirSync(join(state, 'runs')).sort()).toEqual(stay.sort())
})

test('one that has not ended, or whose end is not known, or that somebody goes on with, is never removed', () => {
  const stay = [add(900, null), add(901, 'unknown'), add(902, null, 'mine'), add(1, 'succeeded')]
  const rewrite = (id: string, name: string, fields: object) => {
    const file = join(state, 'runs', id, name)
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...fields }))
    stay.push(id)
  }
  rewrite(add(903, 'failed-changed', 'half'), 'report.json', { errorCode: 'half-way' })
  // Its report is that of the runner before.
  rewrite(add(904, 'succeeded', 'again'), 'run.json', { pid: process.pid })
  for (let n = 2; n < 9; n += 1) add(n, 'succeeded')
  pruneAll({ runs: 1, days: 90 })
  expect(readdirSync(join(state, 'runs')).sort()).toEqual(stay.sort())
})

test('a call removes a few, so that no run pays for a thousand', () => {
  for (let n = 0; n < 100; n += 1) add(n + 1, 'succeeded')
  prune(state, { runs: 1, days: 1000 }, NOW)
  expect(left()).toBe(95)
})

test('those that executed nothing are counted apart, wherever they stand between the others', () => {
  const upgrades: string[] = []
  const mistakes: string[] = []
  for (let n = 0; n < 40; n += 1) {
    const id = add(n + 1, 'succeeded')
    const isUpgrade = n % 7 === 3
    if (!isUpgrade) rmSync(join(state, 'runs', id, 'journal.ndjson'))
    ;(isUpgrade ? upgrades : mistakes).push(id)
  }
  pruneAll({ runs: 4, days: 1000 })
  const stay = [...upgrades.slice(0, 4), ...mistakes.slice(0, 4)]
  expect(readdirSync(join(state, 'runs')).sort()).toEqual(stay.sort())
})

test('one that has not ended counts, and many of them in a row keep nothing else alive', () => {
  const stay = [add(1, 'succeeded'), add(2, null)]
  add(3, 'succeeded')
  for (let n = 0; n < 30; n += 1) stay.push(add(100 + n, null))
  pruneAll({ runs: 2, days: 1000 })
  expect(readdirSync(join(state, 'runs')).sort()).toEqual(stay.sort())
})

test('one that cannot be removed keeps no other one', () => {
  const stay = add(1, 'succeeded')
  const held = add(9, 'succeeded')
  add(8, 'succeeded')
  const disk = smallDisk(join(state, 'runs', held, 'steps'), '64k')
  if (disk === null) return
  try {
    prune(state, { runs: 1, days: 1000 }, NOW)
    expect(readdirSync(join(state, 'runs')).sort()).toEqual([stay, held].sort())
  } finally {
    disk.unmount()
  }
})
