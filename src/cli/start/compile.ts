/** Compiles the program as one script, because only a script takes code that an earlier call has compiled. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { constants, Script } from 'node:vm'

export type Compiled = {
  exports: unknown
  /** Whether it was given code, and V8 took it. */
  wasCompiled: boolean
  makeCode(): Buffer
}

/** Code of another program, another V8 or other flags is rejected, and compiled as usual. */
export function compile(file: string, cachedData: Buffer | undefined): Compiled {
  // A function already, and ASCII only: a copy of a megabyte, or a look at all of it, takes longer than to read it.
  const script = new Script(readFileSync(file, 'latin1'), {
    filename: file,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData === undefined ? {} : { cachedData }),
  })
  const module = { exports: {} }
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file))
  return {
    exports: module.exports,
    wasCompiled: script.cachedDataRejected === false,
    makeCode: () => script.createCachedData(),
  }
}

/** Another V8 looks for another file, because to compile, after what it read was rejected, is slower than to begin so. */
export const compiledName = (file: string): string => `${file}.${process.versions.v8}-${process.arch}.cache`
