/** How the options in front of a subcommand, or of a program that is run by another one, are read. Pure. */

export const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter(Boolean))

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
