/**
 * Somebody is killed after each entry of a run's journal, or in the middle of one; then somebody else finishes the
 * run or takes it back. What is covered, and how to play all of it: README.md beside this file.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ALL, chosen, LIMIT_MS, ONE, playAll } from '../rig/cells.ts'
import { crashWorld, type Where } from '../rig/crash.ts'
import { type Cell, parseCell, type Verb, type Victim } from '../rig/crash-cell.ts'
import { dieIn } from '../rig/crash-death.ts'
import { recoverAndCheck } from '../rig/crash-recovery.ts'
import { crashBase, type Version } from '../rig/crash-service.ts'
import { seeded } from '../rig/seeded.ts'

type Row = {
  where: Where
  victim: Victim
  verbs: readonly Verb[]
  how?: readonly ('after' | 'torn')[]
  /** Of a good version every entry is played, with this verb, and so many of the other cells. */
  each?: Verb
  some: number
}

const BOTH = ['after', 'torn'] as const
const ON = ['resume', 'rollback'] as const
const ROWS: Row[] = [
  { where: 'local', victim: 'runner', verbs: ON, how: BOTH, each: 'resume', some: 8 },
  { where: 'hostlink', victim: 'runner', verbs: ON, how: BOTH, some: 6 },
  { where: 'on-host', victim: 'runner', verbs: ON, how: BOTH, some: 6 },
  { where: 'on-host', victim: 'client', verbs: ['none'], some: 12 },
  { where: 'on-host', victim: 'daemon', verbs: ['none'], some: 12 },
  { where: 'hostlink', victim: 'daemon', verbs: ON, some: 6 },
  { where: 'local', victim: 'machine', verbs: ON, some: 6 },
  { where: 'hostlink', victim: 'machine', verbs: ON, some: 4 },
  { where: 'on-host', victim: 'machine', verbs: ON, some: 4 },
]
const VERSIONS: readonly Version[] = ['v2', 'v3', 'v4']
const random = seeded(5)

let base: ReturnType<typeof crashBase>
beforeAll(() => {
  base = crashBase()
})
afterAll(() => base.remove())

describe.skipIf(ONE !== null)('everybody dies at every entry', () => {
  test.each(ROWS.map(row => [row.where, row.victim, row] as const))(
    '%s: the %s',
    async (_where, _victim, row) => {
      const cells = await cellsOf(row)
      const alive = await playAll(cells, play)
      // A run does not write the same number of entries each time, but nearly.
      expect(alive, `of ${cells.length}`).toBeLessThanOrEqual(1 + cells.length / 10)
    },
    LIMIT_MS,
  )

  test(
    'a runner, and the one who goes on with its run as well',
    async () => {
      const cells = (await cellsOf({ where: 'local', victim: 'runner', verbs: ON, some: 6 })).flatMap(cell =>
        (ALL ? [1, 2, 3, 4, 6, 8] : [1 + Math.floor(random() * 8)]).map(again => ({
          ...cell,
          again: [`after:${again}`],
        })),
      )
      await playAll(cells, play)
    },
    LIMIT_MS,
  )
})

test.runIf(ONE !== null)('the cell of HOSTOPS_CRASH_CELL', () => play(parseCell(ONE!)), LIMIT_MS)

/** False when the run had ended before anybody could be killed. */
async function play(cell: Cell): Promise<boolean> {
  const world = await crashWorld(base.app, cell.where)
  try {
    const first = await dieIn(world, cell)
    if (first === null) return false
    await recoverAndCheck(world, cell, first)
    return true
  } finally {
    await world.remove()
  }
}

async function cellsOf({ where, victim, verbs, how = ['after'], each, some }: Row): Promise<Cell[]> {
  const all: Cell[] = []
  const moments = await Promise.all(VERSIONS.map(version => momentsOf(where, version, how)))
  VERSIONS.forEach((version, at) => {
    for (const moment of moments[at]!)
      for (const verb of verbs) all.push({ where, victim, version, verb, at: moment })
  })
  const isEach = ({ version, verb, at }: Cell) => version === 'v2' && verb === each && at.startsWith('after:')
  return chosen(
    all.filter(isEach),
    all.filter(cell => !isEach(cell)),
    some,
    random,
  )
}

/** After and in the middle of each entry of a whole run. */
async function momentsOf(where: Where, version: Version, how: readonly string[]): Promise<string[]> {
  const name = `${where} ${version}`
  const counted = lengths.get(name) ?? entriesOf(where, version)
  lengths.set(name, counted)
  // One that failed is not believed for ever.
  counted.catch(() => lengths.delete(name))
  return Array.from({ length: await counted }, (_, at) => at + 1).flatMap(n =>
    how.map(each => `${each}:${n}`),
  )
}

/** Whole runs take their time: one of each is enough for all rows. */
const lengths = new Map<string, Promise<number>>()

async function entriesOf(where: Where, version: Version): Promise<number> {
  const world = await crashWorld(base.app, where)
  try {
    const ended = await world.upgrade(version)
    expect(ended.report.outcome, ended.stderr).toBe(version === 'v2' ? 'succeeded' : 'rolled-back')
    const entries = world.numbered().length
    expect(entries).toBeGreaterThan(10)
    return entries
  } finally {
    await world.remove()
  }
}
