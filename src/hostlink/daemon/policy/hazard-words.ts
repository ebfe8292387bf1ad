/** How hazards are told, and how the options in front of a subcommand are read. */

/** A word of the request, and how a rule's pattern for that place has to begin in order to name it. */
export type NamedWord = { readonly index: number; readonly text: string }

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

export const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter(Boolean))

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

/** How a program's options in front of its subcommand are written. */
export type Globals = {
  readonly flags: ReadonlySet<string>
  /** Those that take a value: behind `=`, or as the next word. */
  readonly values: ReadonlySet<string>
  /** One-letter options that take the rest of their word, or the next word. Absent: letters are not bundled. */
  readonly bundled?: boolean
}

export type Option = { readonly name: string; readonly index: number; readonly known: boolean }

/** The options in front of the subcommand, and where the subcommand stands (or the end). */
export function readGlobals(argv: readonly string[], from: number, globals: Globals) {
  const options: Option[] = []
  let index = from
  for (let word = argv[index]; word?.startsWith('-') && word !== '-'; word = argv[index]) {
    const used =
      globals.bundled && /^-[^-]/.test(word) ? readBundle(word, globals) : readOption(word, globals)
    for (const option of used.options) options.push({ ...option, index })
    index += used.takesNext ? 2 : 1
  }
  return { options, subcommand: index }
}

type Read = { options: Omit<Option, 'index'>[]; takesNext: boolean }

function readOption(word: string, { flags, values }: Globals): Read {
  const equals = word.indexOf('=')
  const name = equals < 0 ? word : word.slice(0, equals)
  const known = flags.has(name) || values.has(name)
  return { options: [{ name, known }], takesNext: equals < 0 && values.has(name) }
}

function readBundle(word: string, { flags, values }: Globals): Read {
  const options: Omit<Option, 'index'>[] = []
  for (const [at, letter] of [...word.slice(1)].entries()) {
    const name = `-${letter}`
    options.push({ name, known: flags.has(name) || values.has(name) })
    if (values.has(name)) return { options, takesNext: at === word.length - 2 }
    if (!flags.has(name)) break
  }
  return { options, takesNext: false }
}
