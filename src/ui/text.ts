/** Text in terminal cells. */

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
const MARKS_ONLY = /^[\p{Mark}\p{Cf}]+$/u
/** Of these, each character is one cell. */
const PLAIN = /^[ -~]*$/
/** Made for the first text that needs it: that costs more than all else that short runs draw. */
let segmenter: Intl.Segmenter | undefined

function graphemesOf(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter()
  return segmenter.segment(text)
}

const cells = (grapheme: string) => (MARKS_ONLY.test(grapheme) ? 0 : WIDE.test(grapheme) ? 2 : 1)

export function width(text: string): number {
  if (PLAIN.test(text)) return text.length
  let sum = 0
  for (const { segment } of graphemesOf(text)) sum += cells(segment)
  return sum
}

/** At most `columns` wide; what is cut off shows as an ellipsis. */
export function cutTo(text: string, columns: number): string {
  if (columns <= 0) return ''
  if (text.length <= columns && PLAIN.test(text)) return text
  // As many characters as columns are certainly not wider than twice that; most lines need no counting at all.
  const short = text.length > columns * 8 ? text.slice(0, columns * 8) : text
  let used = 0
  let kept = ''
  let keptLess = ''
  for (const { segment } of graphemesOf(short)) {
    used += cells(segment)
    if (used > columns) return `${keptLess}…`
    kept += segment
    if (used < columns) keptLess = kept
  }
  return kept
}

/** In lines of at most `columns`, broken at blanks where there are some; what is beyond `most` lines is cut off. */
export function wrap(text: string, columns: number, most: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    const longer = line === '' ? word : `${line} ${word}`
    if (width(longer) <= columns) {
      line = longer
      continue
    }
    if (line !== '') lines.push(line)
    const parts = chop(word, columns)
    lines.push(...parts.slice(0, -1))
    line = parts.at(-1) ?? ''
  }
  if (line !== '') lines.push(line)
  return lines.length > most ? [...lines.slice(0, most - 1), cutTo(`${lines[most - 1]}…`, columns)] : lines
}

function chop(text: string, columns: number): string[] {
  const parts: string[] = []
  let part = ''
  for (const { segment } of graphemesOf(text)) {
    if (width(part + segment) > columns) {
      parts.push(part)
      part = ''
    }
    part += segment
  }
  return [...parts, part]
}
