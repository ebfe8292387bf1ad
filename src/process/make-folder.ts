/**
 * Makes a folder and those above it that are missing. Node's own `recursive` never comes back where a folder is there and
 * a new one in it is answered with "no such file": below /proc, on some network file systems.
 */

import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { quietly } from './quietly.ts'

/** The topmost folder that was made; undefined when all were there. Throws the system's error. */
export function makeFolder(path: string, mode = 0o777): string | undefined {
  try {
    mkdirSync(path, { mode })
    return path
  } catch (error) {
    if (isFolder(path)) return undefined
    const above = dirname(path)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === path) throw error
    const first = makeFolder(above, mode)
    return makeIn(path, mode) ? (first ?? path) : first
  }
}

/** False when somebody else was quicker. */
function makeIn(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode })
    return true
  } catch (error) {
    if (isFolder(path)) return false
    throw error
  }
}

const isFolder = (path: string): boolean => quietly(() => statSync(path).isDirectory()) ?? false
