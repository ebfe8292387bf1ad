/** Places on the host that a rule itself names. Pure. */
import { posix } from 'node:path'
import { isEngine } from './open-programs.ts'
import type { Rule } from './rule.ts'
import { hasHole, type Word } from './template.ts'

/** Folders and files that the rule names, for a command that runs in `place`. What a container is given behind `exec` is the container's. */
export function pathsOf({ template, workdir }: Rule, place: string): string[] {
  const inside = isEngine(template)
    ? template.findIndex(word => !hasHole(word) && /^(exec|run)$/.test(word.literal))
    : -1
  const words = template.slice(1).filter((word, at) => {
    const isOptions = !hasHole(word) && word.literal.startsWith('-')
    const before = template[at]!
    const isBehindOption = !hasHole(before) && before.literal.startsWith('-')
    return inside < 0 || at + 1 < inside || isOptions || isBehindOption
  })
  return [...words, ...(workdir === undefined ? [] : [workdir])].flatMap(word => pathOf(word, place))
}

function pathOf(word: Word, place: string): string[] {
  if (hasHole(word)) return word.hole.kind === 'path' ? [word.hole.root] : []
  const [, absolute] = /^(?:-[A-Za-z]|[^=]*=)?(\/[^:]*)/.exec(word.literal) ?? []
  if (absolute !== undefined) return [absolute]
  const isRelative = /^[A-Za-z0-9_.-][^:=]*\//.test(word.literal) && !word.literal.startsWith('-')
  return isRelative ? [posix.join(place, word.literal)] : []
}
