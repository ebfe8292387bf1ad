/** A tree can put any variable into any field: what a refusal says must not bring its owner's secrets to the caller. */

import type { StepContext } from '../../contract/step.ts'
import { LOOKING } from '../../stack/commands.ts'
import { inFolder } from '../../stack/paths.ts'
import { keyWord, type Power, visible } from '../../stack/power.ts'
import type { Stack } from '../compose.ts'

const SHORTEST = 8
const VALUES = 'for file do cat -- "$file" 2>/dev/null; echo; done; echo "$0"; env'
const RULE = '--- environment ---'
const SECRET_NAME = /TOKEN|SECRET|PASS|KEY|AUTH|CRED|PRIVATE/i

/** Values of the env files and of the environment, but for paths, which a reader has to see. `more`: env files. */
export async function masked(
  ctx: StepContext,
  stack: Stack,
  powers: readonly Power[],
  more: readonly string[],
): Promise<Power[]> {
  if (powers.length === 0) return []
  const files = [...new Set([...[...stack.envFiles, '.env'].map(name => inFolder(stack.dir, name)), ...more])]
  const { stdout } = await ctx.exec({ argv: ['sh', '-c', VALUES, RULE, ...files], ...LOOKING })
  const [own = '', environment = ''] = stdout.split(`\n${RULE}\n`)
  const values = [...valuesIn(own, /./), ...valuesIn(environment, SECRET_NAME)]
  return powers.map(power => maskValues(power, values))
}

/** Pure. Longer ones first, because one may hold another. */
export function maskValues({ key, words }: Power, values: readonly string[]): Power {
  const sorted = [...new Set(values)].sort((a, b) => b.length - a.length)
  return sorted.reduce(
    (now, value) => ({
      key: now.key.replaceAll(keyWord(value), '***'),
      words: now.words.replaceAll(visible(value), '***'),
    }),
    { key, words },
  )
}

/** Pure. More than the values themselves does no harm. */
export const valuesIn = (text: string, names: RegExp): string[] =>
  unique(
    [...text.matchAll(ASSIGNED)].flatMap(([, name = '', raw = '']) => {
      if (!names.test(name)) return []
      const bare = raw.replace(/\s+#.*$/, '')
      const inside = [bare, raw].map(each => each.replace(/^(["'])([\s\S]*)\1$/, '$2'))
      const meant = inside.flatMap(each => [each, each.replaceAll('$$', '$'), unescaped(each)])
      return [raw, bare, ...meant].filter(value => value.length >= SHORTEST && !/^["']?[./~]/.test(value))
    }),
  )

const unique = (values: string[]) => [...new Set(values)]

/** A value in quotes may have more than one line. */
const ASSIGNED =
  /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*[=:][ \t]*((?:"(?:[^"\\]|\\[\s\S])*"|'[^']*')(?=[ \t\r]*(?:#|$))|[^\n]*?(?=[ \t\r]*$))/gm

const unescaped = (value: string) =>
  value.replaceAll(/\\([\s\S])/g, (_, each: string) => ESCAPES[each] ?? each).replaceAll('$$', '$')
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }
