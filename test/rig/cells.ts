/**
 * Cells of a crash matrix: which of them are played, and how one of them is played again.
 *
 *   HOSTOPS_CRASH_ALL=1         all of them instead of a sample
 *   HOSTOPS_CRASH_SLICE=2/8     of all of them, the second of eight parts
 *   HOSTOPS_CRASH_CELL='...'    one of them, by the name that a failure tells
 */

import type { Cell } from './crash-cell.ts'
import { nameOf } from './crash-cell.ts'

const [part = 1, parts = 1] = (process.env.HOSTOPS_CRASH_SLICE ?? '1/1').split('/').map(Number)
export const ALL = process.env.HOSTOPS_CRASH_ALL === '1' || process.env.HOSTOPS_CRASH_SLICE !== undefined
export const ONE = process.env.HOSTOPS_CRASH_CELL ?? null

/** Of a whole test: everything takes its time. */
export const LIMIT_MS = ALL ? 3_600_000 : 300_000

/** All of them (of this slice), or the first `always` ones and some of the others. */
export function chosen<C extends Cell<string>>(
  always: readonly C[],
  others: readonly C[],
  some: number,
  random: () => number,
): C[] {
  if (ALL) return [...always, ...others].filter((_, at) => at % parts === part - 1)
  const drawn = others
    .map(cell => ({ cell, at: random() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, some)
    .map(({ cell }) => cell)
  return [...always, ...drawn]
}

/** Two at a time: most of it is waiting for small processes. What fails says how it is played again. */
export async function playAll<C extends Cell<string>>(
  cells: readonly C[],
  play: (cell: C) => Promise<void>,
): Promise<void> {
  const left = [...cells]
  const worker = async () => {
    for (let cell = left.shift(); cell; cell = left.shift()) {
      try {
        await play(cell)
      } catch (error) {
        left.length = 0
        throw new Error(`${replay(cell)}\n${(error as Error).message}`, { cause: error })
      }
    }
  }
  await Promise.all([worker(), worker()])
}

const replay = (cell: Cell<string>) => `to play it again: HOSTOPS_CRASH_CELL='${nameOf(cell)}'`
