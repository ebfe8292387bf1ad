/** Bytes of a command -> lines that are safe to show: no escapes, no control bytes, bounded in length and number. */
import { StringDecoder } from 'node:string_decoder'
import { stripVTControlCharacters } from 'node:util'

export type LineReader = { push(chunk: Buffer): void; end(): void }

const MAX_LINE = 4096
/** What one command may show line by line; of what comes after it only the end is kept. */
const SHOWN_BYTES = 4 * 1024 * 1024
const TAIL_BYTES = 64 * 1024

export function lineReader(onLine: (line: string) => void): LineReader {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let shown = 0
  let tail: Buffer = Buffer.alloc(0)
  let skipped = 0

  const take = (text: string) => {
    const parts = (rest + text).split(/\r\n|\n|\r(?!$)/)
    rest = parts.pop()!
    for (const part of parts) emitPieces(part)
    if (rest.length > MAX_LINE) {
      emitPieces(rest)
      rest = ''
    }
  }
  const emitPieces = (line: string) => {
    const clean = cleanLine(line)
    for (let at = 0; at === 0 || at < clean.length; at += MAX_LINE) onLine(clean.slice(at, at + MAX_LINE))
  }

  return {
    push(chunk) {
      if (shown < SHOWN_BYTES) {
        shown += chunk.length
        take(decoder.write(chunk))
        return
      }
      const joined = Buffer.concat([tail, chunk])
      skipped += Math.max(0, joined.length - TAIL_BYTES)
      tail = joined.length > TAIL_BYTES ? Buffer.from(joined.subarray(-TAIL_BYTES)) : joined
    },
    end() {
      if (skipped > 0) {
        if (rest !== '') emitPieces(rest)
        rest = ''
        onLine(`... ${skipped} bytes of output not shown ...`)
      }
      take(decoder.write(tail) + decoder.end())
      if (rest !== '') emitPieces(rest)
      rest = ''
      tail = Buffer.alloc(0)
    },
  }
}

const UNSAFE = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/

/** Control bytes could move the cursor, bidirectional marks could turn a line round: neither may reach a terminal. */
function cleanLine(line: string): string {
  if (!UNSAFE.test(line)) return line
  return stripVTControlCharacters(line)
    .replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, '')
    .replace(/[\u2028-\u202e\u2066-\u2069]/g, '\ufffd')
}
