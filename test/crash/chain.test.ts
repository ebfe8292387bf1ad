/**
 * One after the other: a runner dies, and those who go on with its run, to finish it or to take it back, die as well or
 * find a disk that keeps nothing. In the end somebody comes through.
 *
 *   HOSTOPS_CRASH_SEED=123 HOSTOPS_CRASH_TIMES=50   other ones, as in random.test.ts
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ALL, LIMIT_MS, playAll } from '../rig/cells.ts'
import { crashWorld, type Where } from '../rig/crash.ts'
import type { Cell, Verb } from '../rig/crash-cell.ts'
import { dieIn } from '../rig/crash-death.ts'
import { recoverAndCheck } from '../rig/crash-recovery.ts'
import { crashBase, type Version } from '../rig/crash-service.ts'
import { seeded } from '../rig/seeded.ts'

const SEED = Number(process.env['HOSTOPS_CRASH_SEED'] ?? Date.now() % 1_000_000)
const TIMES = Number(process.env['HOSTOPS_CRASH_TIMES'] ?? (ALL ? 100 : 4))

let base: ReturnType<typeof crashBase>
beforeAll(() => {
  base = crashBase()
})
afterAll(() => base.remove())

test(
  `${TIMES} chains of HOSTOPS_CRASH_SEED=${SEED}`,
  async () => {
    expect(await playAll(chains(), play)).toBeLessThanOrEqual(1 + TIMES / 4)
  },
  LIMIT_MS,
)

function chains(): Cell[] {
  const random = seeded(SEED)
  const upTo = (most: number) => 1 + Math.floor(random() * most)
  const one = <T>(all: readonly T[]): T => all[upTo(all.length) - 1]!
  const order = () => {
    const how = one(['after', 'after', 'torn', 'full', 'readonly', 'unsynced'])
    return `${how}:${upTo(9)}@${one(['resume', 'rollback'])}`
  }
  return Array.from({ length: TIMES }, () => {
    const version = one<Version>(['v2', 'v3', 'v4'])
    return {
      where: one<Where>(['local', 'local', 'hostlink', 'on-host']),
      victim: 'runner',
      version,
      verb: one<Verb>(['resume', 'rollback']),
      at: `after:${upTo(version === 'v2' ? 24 : 48)}`,
      again: Array.from({ length: upTo(3) }, order),
    }
  })
}

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
