/** The words and operators of shell text: as much of POSIX sh as deployment scripts are made of. Pure. */

export type Piece =
  | { text: string; quoted: boolean }
  | { name: string; quoted: boolean }
  /** What another command prints: the text of that command, too. */
  | { printed: string; quoted: boolean }
  | { unknown: true; quoted: boolean }

export type Token = { op: string } | { pieces: Piece[] }

export type Tokens = {
  tokens: Token[]
  /** False where the text ends in the middle of something. */
  whole: boolean
}

const OPERATORS = [';;&', '&&', '||', ';;', ';&', '|&', '&', '|', ';', '(', ')', '\n']
const REDIRECTION = /^(&>>?|<<<|<<-?|<&|<>|<(?!\()|>>|>\||>&|>(?!\())/
/** Quotes within brackets within quotes. */
const DEEPEST = 50
const SPACE = /^(?:[ \t\r]|\\\n)+/
const PLAIN = /^[^ \t\r\n'"\\$`&|;()<>]+/

export function tokensOf(text: string): Tokens {
  const tokens: Token[] = []
  const hereDocuments: { delimiter: string; tabs: boolean }[] = []
  let at = 0
  /** The word behind a redirection is a file's name, or the end of a text that follows. */
  let redirected: string | null = null
  let whole = true
  const left = () => text.slice(at, at + 4096)
  while (at < text.length) {
    const space = SPACE.exec(left())
    if (space) {
      at += space[0].length
      continue
    }
    if (text[at] === '#') {
      const end = text.indexOf('\n', at)
      at = end < 0 ? text.length : end
      continue
    }
    const redirection = REDIRECTION.exec(left())?.[0]
    if (redirection !== undefined) {
      redirected = redirection
      at += redirection.length
      continue
    }
    const op = OPERATORS.find(each => text.startsWith(each, at))
    if (op !== undefined) {
      tokens.push({ op })
      at += op.length
      if (op === '\n') at = behindHereDocuments(text, at, hereDocuments.splice(0))
      continue
    }
    const word = wordAt(text, at)
    if (word.end === at) return { tokens, whole: false }
    whole &&= word.whole
    at = word.end
    if (redirected !== null) {
      if (/^<<-?$/.test(redirected))
        hereDocuments.push({ delimiter: literal(word.pieces), tabs: redirected === '<<-' })
      redirected = null
    } else if (!(/^\d+$/.test(literal(word.pieces)) && /^[<>]/.test(left()))) {
      tokens.push({ pieces: word.pieces })
    }
  }
  return { tokens, whole: whole && hereDocuments.length === 0 }
}

export const literal = (pieces: readonly Piece[]): string =>
  pieces.map(piece => ('text' in piece ? piece.text : '\0')).join('')

function behindHereDocuments(text: string, from: number, waiting: { delimiter: string; tabs: boolean }[]) {
  let at = from
  for (const { delimiter, tabs } of waiting) {
    for (let over = false; !over && at < text.length; ) {
      const end = text.indexOf('\n', at)
      const line = text.slice(at, end < 0 ? text.length : end)
      over = (tabs ? line.replace(/^\t+/, '') : line) === delimiter
      at = end < 0 ? text.length : end + 1
    }
  }
  return at
}

type Word = { pieces: Piece[]; end: number; whole: boolean }

function wordAt(text: string, from: number): Word {
  const pieces: Piece[] = []
  let at = from
  while (at < text.length) {
    const rest = text.slice(at, at + 4096)
    const plain = PLAIN.exec(rest)?.[0]
    if (plain !== undefined) {
      pieces.push({ text: plain, quoted: false })
      at += plain.length
      continue
    }
    const char = text[at]!
    if (char === "'") {
      const end = text.indexOf("'", at + 1)
      if (end < 0) return { pieces, end: text.length, whole: false }
      pieces.push({ text: text.slice(at + 1, end), quoted: true })
      at = end + 1
    } else if (char === '\\') {
      if (text[at + 1] !== '\n') pieces.push({ text: text[at + 1] ?? '', quoted: true })
      at += 2
    } else if (char === '"') {
      const inside = quotedAt(text, at + 1, 0)
      pieces.push(...inside.pieces)
      at = inside.end
      if (!inside.whole) return { pieces, end: at, whole: false }
    } else if (char === '$' || char === '`' || /^[<>]\(/.test(rest)) {
      const { piece, end } = expansionAt(text, at, false, 0)
      if (end === null) return { pieces, end: text.length, whole: false }
      pieces.push(piece)
      at = end
    } else break
  }
  return { pieces, end: Math.min(at, text.length), whole: true }
}

/** From behind the opening quote to behind the closing one. */
function quotedAt(text: string, from: number, depth: number): Word {
  const pieces: Piece[] = [{ text: '', quoted: true }]
  for (let at = from; at < text.length; ) {
    const plain = /^[^"\\$`]+/.exec(text.slice(at, at + 4096))?.[0]
    if (plain !== undefined) {
      pieces.push({ text: plain, quoted: true })
      at += plain.length
    } else if (text[at] === '"') return { pieces, end: at + 1, whole: true }
    else if (text[at] === '\\') {
      const next = text[at + 1] ?? ''
      const escapes = /["\\$`]/.test(next)
      if (next !== '\n') pieces.push({ text: escapes ? next : `\\${next}`, quoted: true })
      at += 2
    } else {
      const { piece, end } = expansionAt(text, at, true, depth)
      if (end === null) break
      pieces.push(piece)
      at = end
    }
  }
  return { pieces, end: text.length, whole: false }
}

function expansionAt(
  text: string,
  at: number,
  quoted: boolean,
  depth: number,
): { piece: Piece; end: number | null } {
  const rest = text.slice(at, at + 4096)
  const unknown = { unknown: true, quoted } as const
  const name = /^\$(?:(\w+|[@*#?$!-])|\{(\w+|[@*])\})/.exec(rest)
  if (name) {
    // One digit only, without braces.
    const bare = /^\$\d/.test(rest)
    return {
      piece: { name: bare ? rest[1]! : (name[1] ?? name[2]!), quoted },
      end: at + (bare ? 2 : name[0].length),
    }
  }
  if (rest.startsWith('$((')) return { piece: unknown, end: closing(text, at + 1, depth) }
  if (/^[$<>]\(/.test(rest)) {
    const end = closing(text, at + 1, depth)
    return { piece: { printed: text.slice(at + 2, (end ?? 0) - 1), quoted }, end }
  }
  if (rest.startsWith('${')) return { piece: unknown, end: closing(text, at + 1, depth) }
  if (rest.startsWith('`')) {
    const end = text.indexOf('`', at + 1)
    return { piece: { printed: text.slice(at + 1, end), quoted }, end: end < 0 ? null : end + 1 }
  }
  // `$'...'` and `$"..."` are quotes of bash; a lone dollar is one.
  return /^\$['"]/.test(rest)
    ? { piece: unknown, end: at + 1 }
    : { piece: { text: '$', quoted }, end: at + 1 }
}

/** Behind the bracket that closes the one at `from`; null where none does. */
function closing(text: string, from: number, depth: number): number | null {
  if (depth > DEEPEST) return null
  const [open, close] = text[from] === '{' ? '{}' : '()'
  let level = 0
  for (let at = from; at < text.length; at++) {
    const char = text[at]
    if (char === '\\') at++
    else if (char === "'") {
      at = text.indexOf("'", at + 1)
      if (at < 0) return null
    } else if (char === '"') {
      const { end, whole } = quotedAt(text, at + 1, depth + 1)
      if (!whole) return null
      at = end - 1
    } else if (char === open) level++
    else if (char === close && --level === 0) return at + 1
  }
  return null
}
