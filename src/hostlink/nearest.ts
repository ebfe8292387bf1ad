/** The known name that a person most likely meant, or null when nothing is close. */
export function nearest(name: string, known: Iterable<string>): string | null {
  const limit = Math.max(1, Math.floor(name.length / 3))
  let best: string | null = null
  let bestDistance = limit + 1
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** Insertions, deletions, substitutions, and neighbours that changed places ("exce"), between two words. */
function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const substitution = previous[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1)
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      const transposition = swapped ? beforePrevious[column - 2]! + 1 : Number.POSITIVE_INFINITY
      current.push(Math.min(previous[column]! + 1, current[column - 1]! + 1, substitution, transposition))
    }
    beforePrevious = previous
    previous = current
  }
  return previous[to.length]!
}
