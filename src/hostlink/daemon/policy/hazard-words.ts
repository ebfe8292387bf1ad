/** How hazards are told. */

/** A word of the request, and how a rule's pattern for that place has to begin in order to name it. */
export type NamedWord = {
  readonly index: number
  readonly text: string
  /** A path, which a pattern for the folder that it lies in names as well. */
  readonly isPath?: true
}

/** A rule allows the hazard when it names all of the words. */
export type Hazard = { readonly words: readonly NamedWord[]; readonly why: string }

/** `--name=value` is named by its name; everything else only by itself. */
export function named(argv: readonly string[], index: number): NamedWord {
  const word = argv[index] ?? ''
  return { index, text: /^--[^=]+=/.test(word) ? word.slice(0, word.indexOf('=')) : word }
}

export const hazard = (argv: readonly string[], indexes: readonly number[], why: string): Hazard => ({
  why,
  words: indexes.map(index => named(argv, index)),
})

export const pathHazard = (argv: readonly string[], index: number, why: string): Hazard => ({
  why,
  words: [{ index, text: argv[index] ?? '', isPath: true }],
})

/** `--har` is `--hard` for programs that take any beginning of a long option. */
export function abbreviates(word: string, option: string): boolean {
  const name = word.split('=')[0]!
  return name.length > 2 && name.startsWith('--') && option.startsWith(name)
}

/** The letters of a word like `-fdx`, up to the first that takes the rest of the word as its value. */
export function lettersOf(word: string, withValue = ''): string {
  const letters = /^-([A-Za-z]+)/.exec(word)?.[1] ?? ''
  const value = [...letters].findIndex(letter => withValue.includes(letter))
  return value < 0 ? letters : letters.slice(0, value + 1)
}

/** The words behind `from` that are no options. */
export const plainWords = (argv: readonly string[], from: number): string[] =>
  argv.slice(from + 1).filter(word => !/^-./s.test(word))
