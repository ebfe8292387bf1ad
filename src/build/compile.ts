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

/**
 * Code of another V8 or other flags is rejected, and compiled as usual. V8 itself takes the code of any source that is as long, so
 * what was kept begins as its source does: with the digest that the build has written there. To make one here would take
 * longer than all that the code saves.
 */
export function compile(file: string, kept: Buffer | undefined): Compiled {
  // A script already, and ASCII only: to find that out would take longer than to read it.
  const source = readFileSync(file, 'latin1')
  const beginning = Buffer.from(source.slice(0, DIGEST_LENGTH), 'latin1')
  const code = kept?.subarray(0, DIGEST_LENGTH).equals(beginning) ? kept.subarray(DIGEST_LENGTH) : undefined
  const script = new Script(source, {
    filename: file,
    ...(code === undefined ? {} : { cachedData: code }),
  })
  return {
    value: script.runInThisContext(),
    wasCompiled: script.cachedDataRejected === false,
    makeCode: () => Buffer.concat([beginning, script.createCachedData()]),
  }
}

/** In a comment: 64 hexadecimal digits. What comes behind it stays aligned, as V8 wants it. */
export const DIGEST_LENGTH = 72

/** Another V8 looks for another file, because to compile, after what it read was rejected, is slower than to begin so. */
export const compiledName = (file: string): string => `${file}.${process.versions.v8}-${process.arch}.cache`
