/** Where a command begins, as far as that is certain before anything runs. Pure. */
import { posix } from 'node:path'

/** Stands for what is not known before it runs; no word of a command can hold it. */
export const UNKNOWN = '\0'
export const isKnown = (word: string): boolean => !word.includes(UNKNOWN)

export type Place = {
  /** Undefined: where the target begins. */
  readonly cwd: string | undefined
  readonly env: ReadonlyMap<string, string>
}

export type Ran = Place & { readonly argv: readonly string[] }

/** Where `cd FOLDER` leads to. */
export function inFolder(cwd: string | undefined, folder: string): string {
  if (!isKnown(folder) || folder === '' || /^[~-]/.test(folder)) return UNKNOWN
  if (folder.startsWith('/')) return posix.join(folder)
  return cwd === undefined || !isKnown(cwd) ? UNKNOWN : posix.join(cwd, folder)
}
