/**
 * A container per kept image, so that no prune takes it: running while the run lasts (`docker system prune -af`), stopped
 * afterwards (`docker image prune -af`). It needs nothing of the image: the engine's own init is its program.
 */

import { Failed } from '../../failure.ts'
import { lines } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { docker, type Stack } from './compose.ts'
import { type KeptStack, pinsIn } from './image-pins.ts'
import { jsonOf } from './project.ts'

const LABEL = 'hostops.holds'
const QUIET = { quiet: true, repeatable: true } as const

export type HeldStack = Pick<KeptStack, 'folder' | 'project'>

/** Of one stack, on whatever target. */
export const holdsFor = ({ folder, project }: HeldStack): string => folder?.split('/').at(-3) ?? project

const holderName = (kept: HeldStack, id: string) =>
  `hostops-holder-${holdsFor(kept)}-${id.replace(/^sha256:/, '').slice(0, 12)}`

/** Until the answer is called. What cannot be held is said, and ends no run. */
export async function holdImages(
  ctx: StepContext,
  stack: Stack,
  kept: KeptStack,
): Promise<() => Promise<unknown>> {
  const distinct = new Map(pinsIn(kept).map(({ id, pin }) => [id, pin]))
  if (distinct.size === 0) return async () => {}
  const names = [...distinct.keys()].map(id => holderName(kept, id))
  try {
    await startHolders(ctx, stack, kept, distinct)
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    ctx.say(`the kept images are not held: a prune during this run may take them (${error.failure.code})`)
  }
  return () => ctx.exec({ argv: ['docker', 'stop', '-t', '0', ...names], ...QUIET })
}

async function startHolders(
  ctx: StepContext,
  stack: Stack,
  kept: KeptStack,
  distinct: ReadonlyMap<string, string>,
): Promise<void> {
  const dir = canonicalPath(stack.dir)
  const format = '{{.Id}} {{json .Config.Volumes}}'
  const { stdout } = await docker(
    ctx,
    dir,
    ['image', 'inspect', '--format', format, ...distinct.values()],
    LOOKING,
  )
  const volumes = new Map(lines(stdout).map(line => [line.split(' ', 1)[0]!, foldersIn(line)]))
  const problems: string[] = []
  await Promise.all(
    [...distinct].map(async ([id, pin]) => {
      const name = holderName(kept, id)
      const run = (...words: string[]) => ctx.exec({ argv: words, ...QUIET })
      const args = runArgs(kept, name, pin, volumes.get(id) ?? [])
      const first = ctx.hasShell ? ['sh', '-c', RUN_WAITING, 'hostops-hold'] : ['docker', 'run']
      if ((await run(...first, ...args)).code === 0) return
      // Mostly that of an earlier run, under the same name.
      if ((await run('docker', 'start', name)).code === 0) return
      await run('docker', 'rm', '-f', '-v', name)
      const started = await run('docker', 'run', ...args)
      if (started.code !== 0) problems.push(lines(started.stderr)[0] ?? `exit code ${started.code}`)
    }),
  )
  // The container is made all the same, which is enough for `docker image prune`.
  if (problems.length > 0) ctx.say(`the kept images are not held against docker system prune: ${problems[0]}`)
}

/**
 * `docker-init` waits for its only child, which is `docker-init` without a program and ends at once: with this profile the
 * kernel says that there is no child, so it goes on waiting, which costs nothing.
 */
const WAITS_FOR_EVER = JSON.stringify({
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: ['wait4'], action: 'SCMP_ACT_ERRNO', errnoRet: 10 }],
})
const RUN_WAITING = `exec docker run --security-opt seccomp=/dev/stdin "$@" <<'END'\n${WAITS_FOR_EVER}\nEND`

/** Without the profile it ends with 1, so the engine starts it again and again, which counts as running. */
const runArgs = (kept: HeldStack, name: string, pin: string, volumes: readonly string[]) => [
  ...['-d', '--name', name, '--pull', 'never'],
  ...['--init', '--entrypoint', '/sbin/docker-init', '--restart', `on-failure:${STARTS}`],
  ...['--network', 'none', '--read-only', '--cap-drop', 'ALL', '--user', '65534:65534', '--workdir', '/'],
  ...['--security-opt', 'no-new-privileges', '--log-driver', 'none', '--no-healthcheck'],
  // An image that declares volumes would leave one behind for each.
  ...volumes.flatMap(folder => ['--tmpfs', folder]),
  // Images that Compose has built carry its labels, by which it would take the holder for a container of the stack.
  ...['project', 'service'].flatMap(each => ['--label', `com.docker.compose.${each}=`]),
  ...['--label', `${LABEL}=${holdsFor(kept)}`, '--label', `hostops.project=${kept.project}`],
  pin,
]

/** About five hours, once a minute: so one whose runner was killed comes to rest. */
const STARTS = 300

const foldersIn = (line: string): string[] =>
  Object.keys((jsonOf(line.slice(line.indexOf(' ') + 1)) ?? {}) as Record<string, unknown>)

/** `image`: how the id of what it holds begins. */
export type HolderContainer = { id: string; image: string }

/** Those of a stack. */
export async function listHolders(ctx: StepContext, key: string): Promise<HolderContainer[]> {
  // An image or a compose file may carry our label too; no container of Compose has an empty project.
  const ours = [`${LABEL}=${key}`, 'com.docker.compose.project='].flatMap(each => [
    '--filter',
    `label=${each}`,
  ])
  const argv = ['docker', 'ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.Names}}', ...ours]
  return lines((await ctx.exec({ argv, ...LOOKING })).stdout).map(line => {
    const [id = '', name = ''] = line.split(' ')
    return { id, image: `sha256:${name.split('-').at(-1)}` }
  })
}

export async function removeHolders(ctx: StepContext, holders: readonly HolderContainer[]): Promise<void> {
  if (holders.length === 0) return
  await ctx.exec({ argv: ['docker', 'rm', '-f', '-v', ...holders.map(({ id }) => id)], ...QUIET })
}
