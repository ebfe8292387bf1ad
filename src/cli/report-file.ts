/** Told before the first change: at the end it is too late for who waits for that file. */
import { accessSync, constants, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Why no report can be put there; null when one can. */
export function reportFileProblem(file: string): string | null {
  const there = statOf(file)
  if (there?.isDirectory()) return 'is a folder'
  // A device or a pipe is written to as it is.
  if (there !== null && !there.isFile()) return null
  if (!statOf(dirname(file))?.isDirectory()) return 'stands in a folder that does not exist'
  try {
    accessSync(dirname(file), constants.W_OK)
    return null
  } catch {
    return 'stands in a folder that cannot be written to'
  }
}

function statOf(file: string): Stats | null {
  try {
    return statSync(file)
  } catch {
    return null
  }
}
