import type { Failure } from '../failure.ts'
import { printable } from '../ui/printable.ts'
import { word } from '../wording/word.ts'

export function wordedError(failure: Failure): string {
  const { message, hint } = word(failure)
  return `error: ${printable(message)}\n${hint ? `hint: ${printable(hint)}\n` : ''}`
}
