/** Bytes to text: what is too large, binary or not UTF-8 is told, not guessed at. */
import { createSource, type Diagnostic, error, type Source } from './diagnostic.ts'

export const MAX_FILE_BYTES = 1024 * 1024

type Decoded = { ok: true; source: Source } | { ok: false; diagnostics: Diagnostic[] }

export function decode(bytes: Buffer | string, file: string): Decoded {
  const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : bytes
  const refuse = (
    code: 'too-large' | 'not-text',
    message: string,
    hint: string,
    text = '',
    at = 0,
  ): Decoded => ({
    ok: false,
    diagnostics: [error(code, createSource(file, text).place(at, at + 1), message, { hint })],
  })
  if (buffer.length > MAX_FILE_BYTES) {
    return refuse('too-large', 'the file is larger than 1 MiB', 'is this the right file?')
  }
  const zero = buffer.indexOf(0)
  if (zero !== -1) {
    const hint = utf16(buffer) ? 'save the file as UTF-8' : 'is this the right file?'
    return refuse('not-text', 'this is a binary file', hint)
  }
  const text = buffer.toString('utf8')
  if (!Buffer.from(text).equals(buffer)) {
    const at = text.indexOf('\ufffd')
    return refuse(
      'not-text',
      'these bytes are not UTF-8',
      'save the file as UTF-8',
      withoutMark(text),
      Math.max(0, at),
    )
  }
  return { ok: true, source: createSource(file, withoutMark(text)) }
}

function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

function utf16(buffer: Buffer): boolean {
  const mark = buffer.length < 2 ? 0 : buffer.readUInt16BE(0)
  return mark === 0xfeff || mark === 0xfffe
}
