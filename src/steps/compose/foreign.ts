/**
 * A tree can have Compose read any file of the host (`env_file`, `include`, `extends`, a link), and quote it in what it says.
 * So where a stack reads what does not belong to it, what Compose says is not told.
 */
import { posix } from 'node:path'
import { Failed, type Failure } from '../../failure.ts'
import { lines } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { type OutsideFile, walk } from '../stack/walk.ts'

type Stack = { dir: string; files: readonly string[]; envFiles: readonly string[] }

/**
 * What may be quoted: nothing; what env files of services hold, which Compose looks into only while it loads the stack; or
 * anything, because what is read there can get into every value. `files`: which they are.
 */
export type Foreign = { quotes: 'nothing' | 'while loading' | 'anything'; files: string[] }

const NOTHING: Foreign = { quotes: 'nothing', files: [] }
export const UNKNOWN: Foreign = { quotes: 'anything', files: [] }

// The checkout that the folder lies in belongs to the stack.
const LOOK = `
cd -- "$1" 2>/dev/null || exit 0
real=$(pwd -P) top=$real
while [ -n "$top" ] && [ ! -e "$top/.git" ]; do top=\${top%/*}; done
printf '%s\\n%s\\n' "$real" "\${top:-$real}"
if [ -n "$COMPOSE_FILE$COMPOSE_ENV_FILES" ] || grep -q 'COMPOSE_FILE\\|COMPOSE_ENV_FILES' .env 2>/dev/null; then echo chosen; fi
`

export async function foreignIn(ctx: StepContext, { files, envFiles, dir: named }: Stack): Promise<Foreign> {
  if (!ctx.hasShell) return NOTHING
  const dir = canonicalPath(named)
  const { stdout } = await ctx.exec({ argv: ['sh', '-c', LOOK, 'hostops-foreign', dir], ...LOOKING })
  const [real, top, chosen] = lines(stdout)
  if (real === undefined || top === undefined) return NOTHING
  // The names of the files are in a file then, where nothing here reads them.
  if (chosen !== undefined && files.length === 0) return { quotes: 'anything', files: ['.env'] }
  const ground = { opened: null, dir, prefix: null, real: { dir: real, repo: top }, written: [] }
  try {
    return foreignOf((await walk(ctx, ground, '', { files, envFiles }, () => false)).outside)
  } catch (error) {
    if (!(error instanceof Failed) || !NOT_FOLLOWED.has(error.failure.code)) throw error
    return UNKNOWN
  }
}

const NOT_FOLLOWED: ReadonlySet<Failure['code']> = new Set(['compose-file-invalid', 'compose-file-missing'])

/** Pure. */
function foreignOf(outside: readonly OutsideFile[]): Foreign {
  if (outside.length === 0) return NOTHING
  const isOfService = ({ how, service }: OutsideFile) => /^(env|label)_file$/.test(how) && service !== null
  const files = [...new Set(outside.map(({ path }) => posix.normalize(path)))]
  return { quotes: outside.every(isOfService) ? 'while loading' : 'anything', files }
}

/** YAML's own complaints name a line and quote nothing. */
const SYNTAX =
  /^(?:failed to parse \S+: )?yaml: line \d+(?:, column \d+)?: (?:[a-z]+ )*[a-z]+(?: '[:\-,\]}]')?$/

/** Pure: the failure without what Compose said, unless that can hold nothing of these files. */
export function withoutQuotes({ failure }: Failed, { quotes, files }: Foreign): Failed {
  if (quotes === 'nothing') return new Failed(failure)
  const said = [
    ...('detail' in failure && typeof failure.detail === 'string' ? [failure.detail] : []),
    ...('tail' in failure ? [failure.tail] : []),
  ]
  if (said.length === 0 || said.every(text => SYNTAX.test(text))) return new Failed(failure)
  const shown = files.slice(0, 3).join(', ')
  const why =
    files.length === 0
      ? 'what Compose says is not shown, because it is not clear which files it reads'
      : `what Compose says is not shown, because it reads ${shown}, outside of the stack`
  const { cause: _, ...rest } = failure as Failure & { cause?: string }
  return new Failed({
    ...rest,
    ...('detail' in failure ? { detail: why } : {}),
    ...('tail' in failure ? { tail: why } : {}),
  } as Failure)
}
