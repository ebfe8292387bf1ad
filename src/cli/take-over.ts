/** One runner at a time for a run: who goes on with one takes its folder first, unless its runner still lives. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive, processMark } from './state.ts'

/** Null when another runner has it; else a function that gives it back. */
export function takeOver(folder: string): (() => void) | null {
  const file = join(folder, 'runner')
  for (let tries = 0; tries < 2; tries += 1) {
    try {
      const descriptor = openSync(file, 'wx', 0o600)
      writeSync(descriptor, `${process.pid} ${processMark(process.pid) ?? ''}`)
      closeSync(descriptor)
      return () => rmSync(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const [pid = '', mark = ''] = readFileSync(file, 'utf8').split(' ')
      if (isAlive(Number(pid), mark || null)) return null
      rmSync(file, { force: true })
    }
  }
  return null
}
