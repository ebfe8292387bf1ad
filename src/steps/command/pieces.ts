/** Passes a text with secrets to a command through the environment, because every user of the host can read an argv. */

/** In characters. The kernel limits one variable to 128 KiB, and all of them together to some hundreds of KiB. */
const PIECE = 30_000
const AT_ONCE = 8

/** Pure. Splits texts into lots, one for each command that is needed; `keys` says which text each variable belongs to. */
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

/** A command that prints the text. Pure. */
export function printing(text: string): { argv: string[]; env: Record<string, string> } {
  const pieces = piecesOf(text)
  const script = `n=0; while [ "$n" -lt "$1" ]; do ${PRINT_PIECE}; n=$((n + 1)); done`
  return { argv: ['sh', '-c', script, 'hostops-print', String(pieces.length)], env: variables(pieces) }
}

/** Shell text that prints the piece with the number `$n`. */
export const PRINT_PIECE = `eval "printf %s \\"\\$HOSTOPS_PIECE_$n\\""`

const piecesOf = (text: string): string[] => text.match(new RegExp(`[\\s\\S]{1,${PIECE}}`, 'gu')) ?? []
const variables = (pieces: readonly string[]) =>
  Object.fromEntries(pieces.map((piece, at) => [`HOSTOPS_PIECE_${at}`, piece]))
