/**
 * One runner at a time for a run: who goes on with one takes its folder first, unless its runner still lives. Each
 * taker makes a file with the next number: only one process can make it, whoever else saw the same dead one before.
 */
import { linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { giveReserve } from './disk-reserve.ts'
import { openPulse } from './liveness-pipe.ts'
import { isHere, type Liveness, livenessOf, placeHere, type RunnerPlace } from './runner-identity.ts'

/**
 * False when another runner has it. Its file stays behind: the number is never used again. `isGone`: somebody knows that
 * a runner which cannot be seen from here is no more.
 */
export function takeOver(folder: string, isGone = false): boolean {
  const numbers = takers(folder)
  const last = Math.max(0, ...numbers)
  const liveness = last > 0 ? livenessOfTaker(folder, last) : 'dead'
  if (liveness === 'lives' || (liveness === 'unseen' && !isGone)) return false
  const mine = last + 1
  const draft = join(folder, `.runner.${process.pid}`)
  try {
    const words = JSON.stringify(placeHere(openPulse(folder)))
    withRoom(folder, () => writeFileSync(draft, words, { mode: 0o600 }))
    linkSync(draft, nameOf(folder, mine))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
  // Somebody may have had this number, ended, and been followed while we looked at the one before.
  const isLast = Math.max(...takers(folder)) === mine
  for (const number of isLast ? numbers : [mine]) rmSync(nameOf(folder, number), { force: true })
  return isLast
}

/** On a full disk: what a runner had kept free for the way back, and left behind when it died, is for who goes on. */
function withRoom(folder: string, write: () => void): void {
  try {
    write()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    giveReserve(folder)
    write()
  }
}

/** By another process: who took it itself is not told of. */
export function isTaken(folder: string): boolean {
  const last = Math.max(0, ...takers(folder))
  return last > 0 && livenessOfTaker(folder, last, process.pid) !== 'dead'
}

const nameOf = (folder: string, number: number) => join(folder, `runner.${number}`)

const takers = (folder: string): number[] =>
  readdirSync(folder).flatMap(name => Number(/^runner\.([1-9][0-9]*)$/.exec(name)?.[1] ?? []))

function livenessOfTaker(folder: string, number: number, except?: number): Liveness {
  try {
    const taker = readTaker(readFileSync(nameOf(folder, number), 'utf8'))
    return isHere(taker) && taker.pid === except ? 'dead' : livenessOf(taker, folder)
  } catch {
    // Followed by another one since.
    return 'lives'
  }
}

/** An older version wrote three words. */
function readTaker(text: string): RunnerPlace {
  if (text.startsWith('{')) return JSON.parse(text)
  const [pid = '', started = '', boot = ''] = text.split(' ')
  return { pid: Number(pid), pidStarted: started || null, boot: boot || null }
}
