/** Every `docker compose` command line is made here, and what its end means is told here. */

import * as z from 'zod'
import { absolutePath, canonicalPath } from '../contract/schema-fields.ts'
import type { CommandRequest, Done, Facts, StepContext } from '../contract/step.ts'
import { composeEnv, LOOKING } from '../stack/commands.ts'
import { inFolder } from '../stack/paths.ts'
import { composeFailed } from './compose-error.ts'
import { type Foreign, foreignIn, withoutQuotes } from './foreign.ts'

/** Never an option: it starts with a letter or a digit. */
export const SERVICE = /^[a-zA-Z0-9][a-zA-Z0-9._-]*$/

export const fileField = () =>
  z.string().regex(/^[^-\u0000-\u001f\u007f][^\u0000-\u001f\u007f]*$/, 'a file, absolute or relative to dir')

export const stackFields = () => ({
  dir: absolutePath().describe('The folder of the stack, an absolute path on the target.'),
  files: z
    .array(fileField())
    .default([])
    .describe(
      'Compose files, absolute or relative to dir. Default: those of the running containers, else what Compose finds in dir.',
    ),
  envFiles: z
    .array(fileField())
    .default([])
    .describe('Files for --env-file. Default: those of the running containers, else .env in dir.'),
  project: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]*$/, 'a compose project name')
    .optional()
    .describe('Project name. Default: that of the running containers, else the one that Compose finds.'),
  profiles: z
    .array(z.string().regex(SERVICE, 'the name of a profile'))
    .default([])
    .describe('Profiles to use, besides those that running services need.'),
  adopt: z
    .boolean()
    .default(false)
    .describe(
      'Use the files, env files and project named here although the running containers were made from others.',
    ),
})
export const servicesField = () =>
  z
    .array(z.string().regex(SERVICE, 'the name of a service'))
    .default([])
    .describe('The services that are meant. Default: all of the stack.')

const stack = () => z.strictObject(stackFields())
export type Stack = Omit<z.infer<ReturnType<typeof stack>>, 'adopt'> & { adopt?: boolean }

export function composeArgv(given: Stack, args: readonly string[]): string[] {
  const dir = canonicalPath(given.dir)
  return [
    ...['docker', 'compose', '--ansi', 'never', '--progress', 'plain'],
    ...given.files.flatMap(name => ['-f', inFolder(dir, name)]),
    ...given.envFiles.flatMap(name => ['--env-file', inFolder(dir, name)]),
    ...['--project-directory', dir],
    ...(given.project === undefined ? [] : ['-p', given.project]),
    ...given.profiles.flatMap(name => ['--profile', name]),
    ...args,
  ]
}

/** Its warnings quote what it reads: a variable that is not set may be half of a password. */
export const withoutWarnings = ([docker, ...args]: readonly string[]): string[] => [
  docker!,
  ...['--log-level', 'error'],
  ...args,
]

/** Runs in the stack's folder, where compose looks for its files. `asked`: by the caller, who has just had it loaded, too. */
export async function compose(
  ctx: StepContext,
  given: Stack,
  args: readonly string[],
  options: Partial<CommandRequest> = {},
  asked?: Foreign,
): Promise<Done> {
  const foreign = options.quiet ? null : (asked ?? (await loadable(ctx, given)))
  const cwd = canonicalPath(given.dir)
  // The words of what it does may hold values, too, and everybody would see them come.
  const mayQuote = options.durable === true && foreign?.quotes === 'anything'
  const argv = composeArgv(given, args)
  const done = await ctx.exec({
    argv: foreign?.quotes === 'nothing' ? argv : withoutWarnings(argv),
    cwd,
    ...options,
    env: { ...composeEnv(cwd), ...options.env },
    ...(mayQuote ? { quiet: true } : {}),
  })
  if (done.code === 0) return done
  const failed = composeFailed(cwd, args[0] ?? '', done, 'all')
  const isLoading = args[0] === 'config'
  const mayBeUnreadable = !isLoading && asked === undefined && failed.failure.code === 'compose-failed'
  if (mayBeUnreadable) await requireReadable(ctx, given)
  const seen = foreign ?? (await foreignIn(ctx, given))
  throw isLoading || seen.quotes === 'anything' ? withoutQuotes(failed, seen) : failed
}

/** That Compose can load the stack, where it says of foreign files what nobody is to read. */
export async function loadable(ctx: StepContext, given: Stack): Promise<Foreign> {
  const foreign = await foreignIn(ctx, given)
  if (foreign.quotes !== 'nothing') await requireReadable(ctx, given)
  return foreign
}

/** Newer versions end with 1 whatever it was: that the files cannot be read is asked. */
const requireReadable = (ctx: StepContext, given: Stack): Promise<Done> =>
  compose(ctx, given, ['config', '-q'], LOOKING)

/** A build outlives its caller: half an image is no harm, but an hour of work is not thrown away. */
export const BUILDING = { durable: true } as const

/** `docker` itself, for what compose has no command for. */
export async function docker(
  ctx: StepContext,
  dir: string,
  args: readonly string[],
  options: Partial<CommandRequest>,
) {
  const done = await ctx.exec({ argv: ['docker', ...args], ...options })
  if (done.code === 0) return done
  throw composeFailed(dir, args.slice(0, 2).join(' '), done)
}

export const stackLock = (given: Pick<Stack, 'dir' | 'project'>) =>
  `compose:${given.project ?? canonicalPath(given.dir)}`

export const stackFacts = (given: Stack & { services: readonly string[] }): Facts => ({
  composePath: given.dir,
  ...(given.services.length === 0 ? {} : { serviceName: given.services.join(',') }),
})
