/**
 * Somebody is killed at a moment that nobody chose. The seed is another one each time, and told when something fails:
 *
 *   HOSTOPS_CRASH_SEED=123 HOSTOPS_CRASH_TIMES=50   the same 50 cells again
 *   HOSTOPS_CRASH_CELL='local runner v2 resume ms:734'   one of them (test/crash/matrix.test.ts)
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ALL, LIMIT_MS, playAll } from '../rig/cells.ts'
import { crashWorld, type Where } from '../rig/crash.ts'
import type { Cell, Verb, Victim } from '../rig/crash-cell.ts'
import { dieIn } from '../rig/crash-death.ts'
import { recoverAndCheck } from '../rig/crash-recovery.ts'
import { crashBase, type Version } from '../rig/crash-service.ts'
import { seeded } from '../rig/seeded.ts'

const SEED = Number(process.env['HOSTOPS_CRASH_SEED'] ?? Date.now() % 1_000_000)
const TIMES = Number(process.env['HOSTOPS_CRASH_TIMES'] ?? (ALL ? 100 : 12))

const WHO: readonly (readonly [Where, Victim])[] = [
  ['local', 'runner'],
  ['local', 'machine'],
  ['hostlink', 'runner'],
  ['hostlink', 'daemon'],
  ['hostlink', 'machine'],
  ['on-host', 'runner'],
  ['on-host', 'client'],
  ['on-host', 'daemon'],
  ['on-host', 'machine'],
]
const VERSIONS: readonly Version[] = ['v2', 'v3', 'v4']

let base: ReturnType<typeof crashBase>
beforeAll(() => {
  base = crashBase()
})
afterAll(() => base.remove())

test(
  `${TIMES} random moments of HOSTOPS_CRASH_SEED=${SEED}`,
  async () => {
    let died = 0
    // Some runs end, or have not begun, before their moment comes: on a machine that is busy these may be most of them.
    for (let round = 0; round < 3 && died <= TIMES / 3; round += 1)
      died += TIMES - (await playAll(randomCells(), play))
    expect(died).toBeGreaterThan(TIMES / 3)
  },
  LIMIT_MS,
)

const random = seeded(SEED)

function randomCells(): Cell[] {
  const one = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!
  return Array.from({ length: TIMES }, () => {
    const [where, victim] = one(WHO)
    const isLeft = where === 'on-host' && (victim === 'client' || victim === 'daemon')
    const verb: Verb = isLeft ? 'none' : one(['resume', 'rollback'] as const)
    // A client has a way to go before its run begins on the host.
    const from = where === 'on-host' ? 200 : 80
    const cell = {
      where,
      victim,
      version: one(VERSIONS),
      verb,
      at: `ms:${Math.round(from + random() * 1100)}`,
    }
    return random() < 0.2 && verb !== 'none'
      ? { ...cell, again: [`after:${1 + Math.floor(random() * 8)}`] }
      : cell
  })
}

async function play(cell: Cell): Promise<boolean> {
  const world = await crashWorld(base.app, cell.where)
  try {
    const first = await dieIn(world, cell)
    // It may not even have made its folder.
    if (first === null || !world.hasBegun()) return false
    await recoverAndCheck(world, cell, first)
    return true
  } finally {
    await world.remove()
  }
}
