/**
 * Cells of a crash matrix: which of them are played, and how one of them is played again.
 *
 *   HOSTOPS_CRASH_ALL=1         all of them instead of a sample
 *   HOSTOPS_CRASH_SLICE=2/8     of all of them, the second of eight parts
 *   HOSTOPS_CRASH_CELL='...'    one of them, by the name that a failure tells
 *   HOSTOPS_CRASH_LOG=file      what became of each, and how long it took, as it goes
 *   HOSTOPS_CRASH_WORKERS=6     so many at a time
 */

import { appendFileSync } from 'node:fs'
import type { Cell } from './crash-cell.ts'
import { nameOf } from './crash-cell.ts'

const [part = 1, parts = 1] = (process.env['HOSTOPS_CRASH_SLICE'] ?? '1/1').split('/').map(Number)
export const ALL =
  process.env['HOSTOPS_CRASH_ALL'] === '1' || process.env['HOSTOPS_CRASH_SLICE'] !== undefined
export const ONE = process.env['HOSTOPS_CRASH_CELL'] ?? null
const LOG = process.env['HOSTOPS_CRASH_LOG'] ?? null
const WORKERS = Number(process.env['HOSTOPS_CRASH_WORKERS'] ?? 2)

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

/**
 * Several at a time: most of it is waiting for small processes. What fails says how it is played again; a sample ends
 * there, and who plays all of them hears of all that fail. Answers in how many of them nobody died: their run had
 * ended before.
 */
export async function playAll<C extends Cell<string>>(
  cells: readonly C[],
  play: (cell: C) => Promise<boolean>,
  workers = WORKERS,
): Promise<number> {
  if (workers < 1) throw new Error('nobody is free to play: an earlier test has not ended')
  const left = [...cells]
  const failures: Error[] = []
  let alive = 0
  const worker = async () => {
    for (let cell = left.shift(); cell; cell = left.shift()) {
      const startedAt = performance.now()
      const log = (end: string) =>
        note(`${end} ${Math.round(performance.now() - startedAt)} ms: ${nameOf(cell!)}`)
      try {
        const died = await play(cell)
        if (!died) alive += 1
        log(died ? 'died' : 'lived')
      } catch (error) {
        log('failed')
        if (!ALL) left.length = 0
        failures.push(new Error(`${replay(cell)}\n${(error as Error).message}`, { cause: error }))
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, worker))
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1)
    throw new AggregateError(failures, failures.map(({ message }) => message).join('\n\n'))
  return alive
}

function note(line: string): void {
  if (LOG !== null) appendFileSync(LOG, `${line}\n`)
}

const replay = (cell: Cell<string>) => `to play it again: HOSTOPS_CRASH_CELL='${nameOf(cell)}'`
