/** Answers as they go onto the wire: compact, and with their fields in the order that PROTOCOL.md gives. */
import { encodeMessage } from '../frame.ts'
import { type Status, WIRE_VERSION } from '../messages.ts'

/** An answer without its envelope. `error_msg`, where there is one, stands right behind `status`. */
export type Body = { readonly status: Status; readonly error_msg?: string } & Readonly<
  Record<string, unknown>
>

export function answerFrame(node: string, id: string, body: Body): Buffer {
  const { status, error_msg, ...fields } = body
  const failure = error_msg === undefined ? {} : { error_msg }
  return encodeMessage({ version: WIRE_VERSION, id, node, status, ...failure, ...fields })
}

export const badRequest = (error_msg: string): Body => ({ status: 'bad_request', error_msg })
export const failure = (error_msg: string): Body => ({ status: 'error', error_msg })
