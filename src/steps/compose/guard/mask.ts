/** A tree can put any variable into any field: what a refusal says must not bring its owner's secrets to the caller. */
import type { StepContext } from '../../step.ts'
import { inFolder, LOOKING, type Stack } from '../compose.ts'
import { keyWord, type Power, shown } from './power.ts'

const SHORTEST = 8
const VALUES = 'for file do cat -- "$file" 2>/dev/null; echo; done; echo "$0"; env'
const RULE = '--- environment ---'
const SECRET_NAME = /TOKEN|SECRET|PASS|KEY|AUTH|CRED|PRIVATE/i

/** Values of the env files and of the environment, but for paths, which a reader has to see. */
export async function masked(ctx: StepContext, stack: Stack, powers: readonly Power[]): Promise<Power[]> {
  if (powers.length === 0) return []
  const files = [...stack.envFiles, '.env'].map(name => inFolder(stack.dir, name))
  const { stdout } = await ctx.exec({ argv: ['sh', '-c', VALUES, RULE, ...files], ...LOOKING })
  const [own = '', environment = ''] = stdout.split(`\n${RULE}\n`)
  const values = [...valuesIn(own, /./), ...valuesIn(environment, SECRET_NAME)]
  return powers.map(power => withoutValues(power, values))
}

/** Pure. Longer ones first, because one may hold another. */
export function withoutValues({ key, words }: Power, values: readonly string[]): Power {
  const sorted = [...new Set(values)].sort((a, b) => b.length - a.length)
  return sorted.reduce(
    (now, value) => ({
      key: now.key.replaceAll(keyWord(value), '***'),
      words: now.words.replaceAll(shown(value), '***'),
    }),
    { key, words },
  )
}

/** Pure. More than the values themselves does no harm. */
export const valuesIn = (text: string, names: RegExp): string[] =>
  text.split('\n').flatMap(line => {
    const [, name, raw] = /^\s*(?:export\s+)?([\w.-]+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? []
    if (name === undefined || raw === undefined || !names.test(name)) return []
    const bare = raw.replace(/\s+#.*$/, '')
    const all = [raw, bare, bare.replace(/^(["'])(.*)\1$/, '$2')]
    return all.filter(value => value.length >= SHORTEST && !/^["']?[./~]/.test(value))
  })
