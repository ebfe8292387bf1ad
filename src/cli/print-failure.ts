import type { Failure } from '../failure.ts'
import { word } from '../wording.ts'

export function wordedError(failure: Failure): string {
  const { message, hint } = word(failure)
  return `error: ${message}\n${hint ? `hint: ${hint}\n` : ''}`
}
