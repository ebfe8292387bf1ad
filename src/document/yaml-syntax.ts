/** The YAML parser's complaints in words for people. Never the text itself, because it may be a secret. */
import type { YAMLError } from 'yaml'
import { type Diagnostic, error, type Source } from './diagnostic.ts'

const TAB: [string, string] = ['a tab cannot indent YAML', 'use spaces']
const NOT_ALIGNED: [string, string] = ['this is not indented like its neighbours', 'align it with them']

/** The parser's own words name its grammar; these name what a person sees. */
const SYNTAX_MESSAGES: [RegExp, [string, string?]][] = [
  [/call stack size/, ['this is nested too deeply']],
  [/^Tabs are not allowed|TAB_AS_INDENT/, TAB],
  [/^Flow (sequence|map) in block collection/, ['a list or map in brackets is not closed before here']],
  [/^Flow map .*must.*end with|^Expected flow/, ['a list or map in brackets is not closed before here']],
  [/^Missing closing .?quote/, ['a text in quotes is not closed before here']],
  [/^A (block )?sequence may not be used as an implicit map key|^A collection cannot be both/, NOT_ALIGNED],
  [/without - indicator|should not have preceding|must start at the same column|not indented/, NOT_ALIGNED],
  [/^Nested mappings are not allowed/, ['a second `:` on one line', 'put the text in quotes']],
  [
    /^Implicit (map )?keys need to be (on a single line|followed by map values)/,
    ['a key and a `:` are expected here'],
  ],
  [
    /^Invalid escape sequence/,
    ['this is no escape of YAML', 'write \\\\ for a backslash, or use single quotes'],
  ],
  [/^Block scalar header/, ['nothing can follow the `|` or `>` on its line', 'put the text in quotes']],
  [/^Not a YAML token/, ['this cannot stand here']],
  [/^Plain value cannot start with/, ['a text cannot begin like this', 'put the text in quotes']],
]

export function syntaxDiagnostic(mistake: YAMLError, source: Source): Diagnostic {
  const begin =
    mistake.pos[0] + /^[ ]*/.exec(source.text.slice(mistake.pos[0], mistake.pos[0] + 200))![0].length
  const place = source.place(begin, Math.max(mistake.pos[1], begin + 1))
  const theirs = mistake.message.split('\n')[0]!.replace(/:$/, '')
  const otherwise = theirs.charAt(0).toLowerCase() + theirs.slice(1)
  const indent = /^ *\t/.exec(place.text)
  if (indent !== null) {
    const tab = begin - place.start.column + indent[0].length
    return error('yaml-syntax', source.place(tab, tab + 1), TAB[0], { hint: TAB[1] })
  }
  const [message, hint] = SYNTAX_MESSAGES.find(([pattern]) => pattern.test(theirs))?.[1] ?? [otherwise]
  return error('yaml-syntax', place, message, { hint })
}
