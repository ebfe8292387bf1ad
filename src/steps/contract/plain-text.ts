/** What tools print, made safe and short to show. */
import { stripVTControlCharacters } from 'node:util'
import type { Done } from './step.ts'

const INVISIBLE = /[\u2028\u2029\p{Default_Ignorable_Code_Point}]/gu

/**
 * Characters that show nothing, join, part or turn text round are written as what they are, `\u{200b}`: a person and a language
 * model read the same.
 */
export const showInvisible = (text: string): string =>
  text.replace(INVISIBLE, character => `\\u{${character.codePointAt(0)!.toString(16)}}`)

/** Without escapes and control characters; lines that were drawn over each other stand below each other. */
export function plainText(text: string): string {
  return showInvisible(
    stripVTControlCharacters(text)
      .replace(/\r\n?/g, '\n')
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, ''),
  )
}

export const lines = (text: string): string[] =>
  plainText(text)
    .split('\n')
    .filter(line => line.trim() !== '')

/** The last lines of what a command said, errors before output. */
export function tailOf(done: Pick<Done, 'stdout' | 'stderr' | 'ends'>, count = 20): string {
  const { stdout, stderr } = done.ends ?? done
  const said = lines(stderr)
  return (said.length > 0 ? said : lines(stdout)).slice(-count).join('\n').slice(-4096)
}
