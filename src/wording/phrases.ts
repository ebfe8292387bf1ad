/** What the words of all families share. */
import type { Failure } from '../failure.ts'

export type Worded = { message: string; hint?: string }

/**
 * One entry for each code of a family: a family with a code more does not build. `at`: how a command names the host that the
 * run lives on, like ` --target hostlink`; empty for this machine.
 */
export type Words<F extends Failure> = {
  readonly [C in F['code']]: (failure: Extract<F, { code: C }>, at: string) => Worded
}

export const quoted = (text: string) => `"${text}"`
export const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`
export const tail = (text: string) => (text.trim() === '' ? '' : `: ${lastLine(text)}`)
export const listed = (entries: string[], total: number) => {
  const shown = entries.slice(0, 5).join(', ')
  return total > 5 ? `${shown} and ${total - 5} more` : shown
}

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1)!.trim()
