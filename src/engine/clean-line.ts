/** One line without what could move a cursor or turn text round: neither may reach a terminal. */
import { stripVTControlCharacters } from 'node:util'
import { showInvisible } from '../steps/contract/plain-text.ts'

const UNSAFE = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\p{Default_Ignorable_Code_Point}]/u

export function cleanLine(line: string): string {
  if (!UNSAFE.test(line)) return line
  return showInvisible(
    stripVTControlCharacters(line).replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, ''),
  )
}

/** Where a text has to be cut that goes on: before an escape whose end may be still to come, or a last return. */
export function unfinishedEscape(text: string): number {
  const found = /(?:[\u001b\u009b][^\u001b\u009b]{0,63}|\r)$/.exec(text)
  return found?.index ?? text.length
}
