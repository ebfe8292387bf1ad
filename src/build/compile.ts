/** Compiles a part of the program as one script, because only a script takes code that an earlier call has compiled. */
import { readFileSync } from 'node:fs'
import { Script } from 'node:vm'

export type Compiled = {
  /** What the script's one expression gives. */
  value: unknown
  /** Whether it was given code, and V8 took it. */
  wasCompiled: boolean
  makeCode(): Buffer
}

/** Code of another program, another V8 or other flags is rejected, and compiled as usual. */
export function compile(file: string, cachedData: Buffer | undefined): Compiled {
  // A script already, and ASCII only: a copy of half a megabyte, or a look at all of it, takes longer than to read it.
  const script = new Script(readFileSync(file, 'latin1'), {
    filename: file,
    ...(cachedData === undefined ? {} : { cachedData }),
  })
  return {
    value: script.runInThisContext(),
    wasCompiled: script.cachedDataRejected === false,
    makeCode: () => script.createCachedData(),
  }
}

/** Another V8 looks for another file, because to compile, after what it read was rejected, is slower than to begin so. */
export const compiledName = (file: string): string => `${file}.${process.versions.v8}-${process.arch}.cache`
