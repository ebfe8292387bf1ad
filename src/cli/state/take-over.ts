/**
 * One runner at a time for a run: who goes on with one takes its folder first, unless its runner still lives. Each
 * taker makes a file with the next number: only one process can make it, whoever else saw the same dead one before.
 */
import { linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { livesStill, noteSelf } from '../../hostlink/process/identity.ts'

/** False when another runner has it. Its file stays behind: the number is never used again. */
export function takeOver(folder: string): boolean {
  const numbers = takers(folder)
  const last = Math.max(0, ...numbers)
  if (last > 0 && lives(nameOf(folder, last))) return false
  const mine = last + 1
  const draft = join(folder, `.runner.${process.pid}`)
  try {
    const { pid, started, boot } = noteSelf()
    writeFileSync(draft, [pid, started ?? '', boot ?? ''].join(' '), { mode: 0o600 })
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

/** By another process: who took it itself is not told of. */
export function isTaken(folder: string): boolean {
  const last = Math.max(0, ...takers(folder))
  return last > 0 && lives(nameOf(folder, last), process.pid)
}

const nameOf = (folder: string, number: number) => join(folder, `runner.${number}`)

const takers = (folder: string): number[] =>
  readdirSync(folder).flatMap(name => Number(/^runner\.([1-9][0-9]*)$/.exec(name)?.[1] ?? []))

function lives(file: string, except?: number): boolean {
  try {
    const [pid = '', started = '', boot = ''] = readFileSync(file, 'utf8').split(' ')
    if (Number(pid) === except) return false
    return livesStill({ pid: Number(pid), started: started || null, boot: boot || null })
  } catch {
    // Followed by another one since.
    return true
  }
}
