/** A stack as Compose renders it, with the hash of each service, in one command. */

import { PRIVATE_FOLDER } from '../command/private-folder.ts'
import { lines } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING, withComposeEnv } from '../stack/commands.ts'
import { compose, composeArgv, type Stack, withoutWarnings } from './compose.ts'
import { CONFIG } from './project.ts'

/** Hashes by service, as Compose writes them to the labels of the containers that it makes. */
export type Hashes = ReadonlyMap<string, string>

/** Pure. */
export const hashesIn = (printed: string): Hashes =>
  new Map(lines(printed).map(line => line.split(' ') as [string, string]))

const RULE = '--- hostops-hashes ---'
/** Compose spends most of its time starting, so rendering and hashing run concurrently. Exits with the code of the rendering. */
const BOTH = `
dir=$1 rule=$2; shift 2
${PRIVATE_FOLDER}
{ "$@" || echo "$?" >"$top/code"; } | ( trap '' PIPE; tee "$top/rendered" ) |
  docker compose -f - --project-directory "$dir" --profile '*' config --hash '*' >"$top/hashes" 2>/dev/null
[ ! -f "$top/code" ] || exit "$(cat "$top/code")"
cat "$top/rendered"
echo "$rule"
cat "$top/hashes"
`

/** Every caller runs the same command, so that `engine/recent-reads.ts` can give one caller the answer of another. */
export async function renderStack(
  ctx: StepContext,
  stack: Stack,
): Promise<{ rendered: string; hashes: Hashes }> {
  const cwd = canonicalPath(stack.dir)
  const words = withComposeEnv(cwd, withoutWarnings(composeArgv(stack, CONFIG)))
  const argv = ['sh', '-c', BOTH, 'hostops-render', cwd, RULE, ...words]
  const done = ctx.hasShell ? await ctx.exec({ argv, cwd, ...LOOKING }) : null
  // Rendering alone, so that Compose's own error is reported.
  if (done?.code !== 0)
    return { rendered: (await compose(ctx, stack, CONFIG, LOOKING)).stdout, hashes: new Map() }
  const [rendered = '', hashes = ''] = done.stdout.split(`${RULE}\n`)
  return { rendered, hashes: hashesIn(hashes) }
}
