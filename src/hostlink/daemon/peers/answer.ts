/** Answers as they go onto the wire: compact, and with their fields in the order that PROTOCOL.md gives. */
import { encodeFrameOf, encodeMessage } from '../../frame.ts'
import { type Status, WIRE_VERSION } from '../../messages.ts'
import { LargeText } from './answer-text.ts'

/** An answer without its envelope. `error_msg`, where there is one, stands right behind `status`. */
export type Body = { readonly status: Status; readonly error_msg?: string } & Readonly<
  Record<string, unknown>
>

/** The parts of one frame, to be written one behind the other. */
export function answerFrame(node: string, id: string, body: Body): Buffer[] {
  const { status, error_msg, ...fields } = body
  const failure = error_msg === undefined ? {} : { error_msg }
  const message = { version: WIRE_VERSION, id, node, status, ...failure, ...fields }
  const hasLarge = fields['stdout'] instanceof LargeText || fields['stderr'] instanceof LargeText
  return hasLarge ? encodeFrameOf(jsonParts(message)) : [encodeMessage(message)]
}

/** What JSON.stringify would make of it, in pieces. */
function jsonParts(message: Readonly<Record<string, unknown>>): Buffer[] {
  const parts: Buffer[] = []
  let text = ''
  for (const [name, value] of Object.entries(message)) {
    if (value === undefined) continue
    text += `${parts.length === 0 && text === '' ? '{' : ','}${JSON.stringify(name)}:`
    if (value instanceof LargeText) {
      parts.push(Buffer.from(`${text}"`), ...value.json())
      text = '"'
    } else {
      text += JSON.stringify(value)
    }
  }
  parts.push(Buffer.from(`${text}}`))
  return parts
}

export const badRequest = (error_msg: string): Body => ({ status: 'bad_request', error_msg })
export const failure = (error_msg: string): Body => ({ status: 'error', error_msg })
