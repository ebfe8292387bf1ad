/** A text that holds secrets goes to a command through its environment: every user of the host may read an argv. */

/** No single variable may be longer than 128 KiB, nor all of them than some hundreds. */
const PIECE = 30_000
const AT_ONCE = 8

/** Pure. Each with the variable that takes it, in as many lots as there are commands needed. */
export function lotsOf<K>(
  texts: readonly (readonly [K, string])[],
): { keys: K[]; env: Record<string, string> }[] {
  const pieces = texts.flatMap(([key, text]) => piecesOf(text).map(piece => [key, piece] as const))
  const lots = []
  for (let from = 0; from < pieces.length; from += AT_ONCE) {
    const lot = pieces.slice(from, from + AT_ONCE)
    lots.push({ keys: lot.map(([key]) => key), env: variables(lot.map(([, piece]) => piece)) })
  }
  return lots
}

/** A command that prints the text. */
export function printing(text: string): { argv: string[]; env: Record<string, string> } {
  const pieces = piecesOf(text)
  const script = `n=0; while [ "$n" -lt "$1" ]; do ${PRINT_PIECE}; n=$((n + 1)); done`
  return { argv: ['sh', '-c', script, 'hostops-print', String(pieces.length)], env: variables(pieces) }
}

/** For a script: prints the piece with the number `$n`. */
export const PRINT_PIECE = `eval "printf %s \\"\\$HOSTOPS_PIECE_$n\\""`

const piecesOf = (text: string): string[] => text.match(new RegExp(`[\\s\\S]{1,${PIECE}}`, 'gu')) ?? []
const variables = (pieces: readonly string[]) =>
  Object.fromEntries(pieces.map((piece, at) => [`HOSTOPS_PIECE_${at}`, piece]))
