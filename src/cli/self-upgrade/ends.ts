/** What a command ends, and what of it is known only when it runs. */
import { isKnown, type Ran, UNKNOWN } from './place.ts'

/** Programs that take docker's words for engines of their own. Absent in what is ended: docker. */
export type OtherEngine = 'podman' | 'nerdctl'

export type Ends =
  /** `config`: how compose tells the project. `services`: all of them where empty. */
  | {
      kind: 'project'
      config: { argv: string[]; cwd: string | undefined; env: { [name: string]: string } }
      project: string | null
      folder: string | null
      services: string[]
      dependencies: boolean
      engine?: OtherEngine
    }
  | { kind: 'containers'; names: string[]; engine?: OtherEngine }
  | { kind: 'unit'; unit: 'docker' | 'hostlinkd' }

export type Foreseen = {
  ends: Ends[]
  /** It may end more than that, or something else. */
  more: boolean
}

export const NOTHING: Foreseen = { ends: [], more: false }
export const ANYTHING: Foreseen = { ends: [], more: true }

/** Where the first word stands that is no option and no value of one. */
export function verbAt(words: readonly string[], from: number, values: ReadonlySet<string>): number {
  let at = from
  while (words[at]?.startsWith('-')) at += values.has(words[at]!) ? 2 : 1
  return at
}

/** Those that are known; and whether there are more. */
export function plainWords(words: readonly string[], values: ReadonlySet<string>) {
  const plain = words.filter((word, at) => !word.startsWith('-') && !values.has(words[at - 1] ?? ''))
  const known = plain.filter(isKnown)
  return { known, more: known.length < plain.length }
}

export function valueBehind(words: readonly string[], names: readonly string[]): string | null {
  for (const [at, word] of words.entries()) {
    if (names.includes(word)) return words[at + 1] ?? null
    const [name = '', value] = word.split(/=(.*)/s)
    if (value !== undefined && names.includes(name)) return value
  }
  return null
}

/** For people, on one line. */
export function commandText({ argv }: Ran): string {
  const text = argv.join(' ').replaceAll(UNKNOWN, '...').replace(/\s+/g, ' ')
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
