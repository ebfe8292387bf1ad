/** Finds programs the way execvp does. */

import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_PATH } from '../../../process/default-path.ts'
import { quietly } from '../../../process/quietly.ts'

/** Its path as it is found, which may be a link; null when there is no such program that we may execute. */
export function findProgram(argv0: string, env: NodeJS.ProcessEnv): string | null {
  if (argv0.includes('/')) return argv0.startsWith('/') ? executable(argv0) : null
  for (const folder of (env['PATH'] ?? DEFAULT_PATH).split(':')) {
    const found = folder.startsWith('/') ? executable(join(folder, argv0)) : null
    if (found !== null) return found
  }
  return null
}

function executable(path: string): string | null {
  const isFile = quietly(() => {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  })
  return isFile ? path : null
}
