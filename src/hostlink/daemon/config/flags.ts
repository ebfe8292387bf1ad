/** Options of `hostlinkd` and its subcommands; nothing of them is followed by further words. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { nearest } from '../../../document/nearest.ts'

type Options = NonNullable<ParseArgsConfig['options']>
type Values<T extends Options> = ReturnType<typeof parseArgs<{ options: T }>>['values']

/** Why a command line cannot be followed, and what may have been meant. */
type Misread = { readonly reason: string; readonly hint: string | null }

export function readFlags<T extends Options>(
  args: readonly string[],
  options: T,
): { values: Values<T> } | Misread {
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind === 'positional') return misread(`takes no further word: "${token.value}"`)
    if (token.kind === 'option-terminator') continue
    const { name, rawName, value, inlineValue } = token
    const option = Object.hasOwn(options, name) ? options[name] : undefined
    if (option === undefined) {
      const near = nearest(name, Object.keys(options))
      return misread(`unknown option ${rawName}`, near === undefined ? null : `did you mean --${near}?`)
    }
    if (option.type === 'boolean' && value !== undefined) return misread(`${rawName} takes no value`)
    if (option.type === 'string' && (!value || (!inlineValue && /^-./.test(value))))
      return misread(`${rawName} needs a value`)
  }
  return { values: parseArgs({ args: [...args], options }).values as Values<T> }
}

const misread = (reason: string, hint: string | null = null): Misread => ({ reason, hint })
