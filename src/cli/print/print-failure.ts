import type { Failure } from '../../failure.ts'
import type { Worded } from '../../wording/phrases.ts'
import { printable } from '../../wording/printable.ts'
import { word } from '../../wording/word.ts'

export const wordedError = (failure: Failure, at?: string): string => errorText(word(failure, at))

export function errorText({ message, hint }: Worded): string {
  return `error: ${printable(message)}\n${hint ? `hint: ${printable(hint)}\n` : ''}`
}
