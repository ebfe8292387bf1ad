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
    const wrong = misreadOf(token, options)
    if (wrong) return wrong
  }
  return { values: parseArgs({ args: [...args], options }).values as Values<T> }
}

type Token = ReturnType<
  typeof parseArgs<{ tokens: true; allowPositionals: true; strict: false }>
>['tokens'][number]

function misreadOf(token: Token, options: Options): Misread | null {
  if (token.kind === 'positional') return misread(`takes no further word: "${token.value}"`)
  if (token.kind === 'option-terminator') return null
  const { name, rawName, value, inlineValue } = token
  const option = Object.hasOwn(options, name) ? options[name] : undefined
  if (option === undefined) {
    const near = nearest(name, Object.keys(options))
    return misread(`unknown option ${rawName}`, near === undefined ? null : `did you mean --${near}?`)
  }
  if (option.type === 'boolean') return value === undefined ? null : misread(`${rawName} takes no value`)
  const isValue = value && (inlineValue || !/^-./.test(value))
  return isValue ? null : misread(`${rawName} needs a value`)
}

const misread = (reason: string, hint: string | null = null): Misread => ({ reason, hint })
