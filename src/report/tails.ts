/** The last lines of what a step printed, and of the evidence that was kept. */

/** `kept`: the step that has left evidence last. */
export type Tails = { of: Map<string, string[]>; kept: string | null }

const TAIL_LINES = 40
const TAIL_CHARACTERS = 8000

export function keepTail({ of }: Tails, id: string, text: string): void {
  const lines = of.get(id) ?? []
  lines.push(...text.split('\n'))
  if (lines.length > TAIL_LINES * 2) lines.splice(0, lines.length - TAIL_LINES)
  of.set(id, lines)
}

export function tailFor({ of, kept }: Tails, failedStep: string | null): string | null {
  const lines = [failedStep, kept]
    .filter((id, at, all) => id !== null && all.indexOf(id) === at)
    .flatMap(id => (of.get(id!) ?? []).slice(-TAIL_LINES))
  if (lines.length === 0) return null
  const text = lines.join('\n')
  return text.length > TAIL_CHARACTERS ? text.slice(-TAIL_CHARACTERS) : text
}
