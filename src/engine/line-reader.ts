/** Bytes of a command -> lines that are safe to show: no secrets, no escapes, bounded in length and number. */
import { StringDecoder } from 'node:string_decoder'
import { cleanLine, unfinishedEscape } from './clean-line.ts'
import { NO_SECRETS, type Redactor } from './redact.ts'

type LineReader = { push(chunk: Buffer): void; end(): void }

const MAX_LINE = 4096
/** What one command may show line by line; of what comes after it only the end is kept. */
const SHOWN_BYTES = 4 * 1024 * 1024
const TAIL_BYTES = 64 * 1024
/** Of one character in UTF-8, for each unit that JavaScript counts. */
const BYTES_PER_UNIT = 3

/** Lines are redacted before they are cut anywhere: half a secret is found by nobody. */
export function lineReader(onLine: (line: string) => void, secrets: Redactor = NO_SECRETS): LineReader {
  const decoder = new StringDecoder('utf8')
  // Of the line that goes on: what has come last, and before that what is clean but may be the beginning of a secret.
  let rest = ''
  let held = ''
  let begun = false
  let shown = 0
  const tail = endOf(TAIL_BYTES + BYTES_PER_UNIT * secrets.reach)

  const take = (text: string) => {
    const parts = (rest + text).split(/\r\n|\n|\r(?!$)/)
    rest = parts.pop()!
    for (const part of parts) endLine(part)
    if (rest.length > MAX_LINE) goOn()
  }
  const endLine = (part: string) => {
    const line = secrets.text(held + cleanLine(part))
    if (line !== '' || !begun) tell(line)
    held = ''
    begun = false
  }
  const goOn = () => {
    const open = unfinishedEscape(rest)
    held += cleanLine(rest.slice(0, open))
    rest = rest.slice(open)
    // Looked through when there is much that is new in it: a long secret must not make every piece cost its length.
    if (held.length > MAX_LINE && held.length > 2 * secrets.reach) tellBeginning()
  }
  const tellBeginning = () => {
    const beginning = secrets.beginning(held)
    held = beginning.held
    if (beginning.told !== '') tell(beginning.told)
  }
  const tell = (line: string) => {
    begun = true
    for (const piece of pieces(line)) onLine(piece)
  }
  const breakOff = () => {
    held += cleanLine(rest)
    tellBeginning()
    onLine(`... ${tail.dropped() + Buffer.byteLength(held)} bytes of output not shown ...`)
    const [first = '', ...lines] = tail
      .bytes()
      .toString('utf8')
      .split(/(?<=[\r\n])/)
    const line = secrets.end(cleanLine(first))
    if (line !== '') tell(line)
    rest = held = ''
    begun = false
    take(lines.join(''))
  }

  return {
    push(chunk) {
      if (shown >= SHOWN_BYTES) return tail.add(chunk)
      shown += chunk.length
      take(decoder.write(chunk))
    },
    end() {
      if (tail.dropped() > 0) breakOff()
      else take(decoder.write(tail.bytes()) + decoder.end())
      if (rest !== '' || held !== '') endLine(rest)
      rest = ''
    },
  }
}

function* pieces(line: string): Generator<string> {
  if (line === '') yield line
  for (let at = 0; at < line.length; ) {
    const end = at + MAX_LINE
    const whole = end < line.length && /[\ud800-\udbff]/.test(line[end - 1]!) ? end - 1 : end
    yield line.slice(at, whole)
    at = whole
  }
}

/** The last bytes of many, in memory that does not grow; moved to its front only when it is full. */
function endOf(most: number) {
  let buffer: Buffer | null = null
  let used = 0
  let seen = 0
  return {
    add(chunk: Buffer) {
      buffer ??= Buffer.allocUnsafeSlow(2 * most)
      seen += chunk.length
      const added = chunk.length > most ? chunk.subarray(-most) : chunk
      if (used + added.length > buffer.length) {
        const kept = Math.min(used, most - added.length)
        buffer.copyWithin(0, used - kept, used)
        used = kept
      }
      used += added.copy(buffer, used)
    },
    dropped: () => Math.max(0, seen - most),
    bytes: () => buffer?.subarray(Math.max(0, used - most), used) ?? Buffer.alloc(0),
  }
}
