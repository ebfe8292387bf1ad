/**
 * Like `require`, with the compiled code that the bundle made beside the file, because compiling a megabyte of text is
 * half of the time that a short command takes. Another version of Node rejects that code and compiles as usual.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { constants, Script } from 'node:vm'

export type Compiled = { exports: unknown; makeCache(): Buffer }

export const requireCached = (file: string): unknown => compile(file, readCache(file)).exports

export function compile(file: string, cachedData: Buffer | undefined): Compiled {
  // A function already, and ASCII only: a copy of a megabyte, or a look at all of it, takes longer than to read it.
  const script = new Script(readFileSync(file, 'latin1'), {
    filename: file,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData === undefined ? {} : { cachedData }),
  })
  const module = { exports: {} }
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file))
  return { exports: module.exports, makeCache: () => script.createCachedData() }
}

export const cacheOf = (file: string): string => `${file}.cache`

function readCache(file: string): Buffer | undefined {
  try {
    return readFileSync(cacheOf(file))
  } catch {
    return undefined
  }
}
