/** Values that a request may put into a template's holes. Pure, and linear in texts from strangers. */

export type Hole =
  | { readonly kind: 'name' | 'ref' | 'sha' | 'int' }
  /** An absolute path below `root`; links are followed elsewhere, by `judge`. */
  | { readonly kind: 'path'; readonly root: string }

const MOST_CHARACTERS = 1024
const PATH = /^(?:\/[\p{L}\p{N}._@+-]+)+$/u

/** A short commit id may also be the name of a branch, so that a sha is a whole one. */
const SHAPES: Readonly<Record<Exclude<Hole['kind'], 'path'>, RegExp>> = {
  name: /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/,
  ref: /^[A-Za-z0-9_][A-Za-z0-9._/-]{0,254}$/,
  sha: /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/,
  int: /^(?:0|[1-9][0-9]{0,8})$/,
}
/** Ranges, empty or hidden parts, options behind a slash, and endings that git keeps for itself. */
const ODD = /\.\.|\/[/.-]|\.\/|[/.]$|\.lock(?:\/|$)/

export const HOLE_KINDS: readonly string[] = [...Object.keys(SHAPES), 'path']

export function fillsHole(hole: Hole, text: string): boolean {
  if (hole.kind === 'path') return isPlainPath(text) && text.startsWith(`${hole.root}/`)
  return SHAPES[hole.kind].test(text) && !ODD.test(text)
}

/** Absolute, without `.` or `..`, and without a byte that gives it a second meaning: `:`, `,`, `=`, globs, blanks. */
export const isPlainPath = (text: string): boolean =>
  text.length <= MOST_CHARACTERS && PATH.test(text) && !/\/\.\.?(?:\/|$)/.test(text)

export const printHole = (hole: Hole): string =>
  hole.kind === 'path' ? `{path:${hole.root}/**}` : `{${hole.kind}}`
