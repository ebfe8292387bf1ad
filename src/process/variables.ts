/** Environment variables, whose names Windows takes for the same in any case. */
import { forPlatform } from './platform.ts'

type Variables = Readonly<Record<string, string>>

/** `own` with `added`, which comes first where both have a name. */
export const withVariables = (own: Variables, added: Variables): Variables =>
  forPlatform({ posix: merged, windows: foldedAndMerged })(own, added)

const merged = (own: Variables, added: Variables): Variables => ({ ...own, ...added })

export function foldedAndMerged(own: Variables, added: Variables): Variables {
  const replaced = new Set(Object.keys(added).map(name => name.toUpperCase()))
  const kept = Object.entries(own).filter(([name]) => !replaced.has(name.toUpperCase()))
  return { ...Object.fromEntries(kept), ...added }
}

/** Of Windows. */
export const variable = (env: Variables, name: string): string | undefined =>
  Object.entries(env).find(([each]) => each.toUpperCase() === name)?.[1]
