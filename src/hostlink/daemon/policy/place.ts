/** Which paths a rule's `workdir` holds. Pure but for the look-ups in the context. */
import { posix } from 'node:path'
import type { Place } from './forms.ts'
import { matchesPath } from './glob.ts'

type LookUps = {
  readonly realpath: (path: string) => string | null
  readonly isLink: (path: string) => boolean
}

/** A word like `../x`, `a/..` or `--file=..`. */
export const CLIMBS = /(^|[/=:,])\.\.([/:,]|$)/

/** Options that name a folder or a file to work on once and for all. */
const NAMES_PLACE = /^(-C|-f|--file|--git-dir|--work-tree|--project-directory|--workdir|--env-file)(=|$)/

const DEEPEST = 64
/** Each costs some look-ups in the file system while everybody waits. */
const MOST_PATHS = 256

/** `args`: of the rule, which may name a folder itself. */
export function placeOf(
  { workdir: pattern, args = [] }: { readonly workdir?: string; readonly args?: readonly string[] },
  workdir: string | null,
  context: LookUps,
): Place {
  if (pattern === undefined || workdir === null)
    return { isBound: args.some(word => NAMES_PLACE.test(word)), leadsOut: () => false }
  const seen = new Map<string, boolean>()
  const leadsOut = (path: string): boolean => {
    if (CLIMBS.test(path) || path.includes('\0')) return true
    const whole = posix.resolve(workdir, path)
    const known = seen.get(whole)
    if (known !== undefined) return known
    const leads =
      seen.size >= MOST_PATHS ||
      whole.split('/').length > DEEPEST ||
      !isWithin(pattern, followed(whole, context))
    seen.set(whole, leads)
    return leads
  }
  return { isBound: true, leadsOut }
}

const isWithin = (pattern: string, path: string | null): boolean =>
  path !== null && upwards(path).some(each => matchesPath(pattern, each))

/** With its links followed as far as something is there; null for a link that leads nowhere. */
function followed(path: string, { realpath, isLink }: LookUps): string | null {
  for (const each of upwards(path)) {
    const real = realpath(each)
    if (real !== null) return posix.join(real, path.slice(each.length))
    if (isLink(each)) return null
  }
  return path
}

/** The path itself, then the folders that it lies in, up to the root. */
function upwards(path: string): string[] {
  const parent = posix.dirname(path)
  return parent === path ? [path] : [path, ...upwards(parent)]
}
