/** Finds programs the way execvp does, and tells which file it really is. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_PATH } from './command.ts'

/** Null when there is no such program that we may execute. */
export function resolveProgram(argv0: string, env: NodeJS.ProcessEnv): string | null {
  if (argv0.includes('/')) return argv0.startsWith('/') ? executable(argv0) : null
  for (const folder of (env.PATH ?? DEFAULT_PATH).split(':')) {
    const found = folder.startsWith('/') ? executable(join(folder, argv0)) : null
    if (found !== null) return found
  }
  return null
}

function executable(path: string): string | null {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile() ? realpathSync(path) : null
  } catch {
    return null
  }
}
