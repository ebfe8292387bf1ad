/** How commands about a stack are run. */

export const LOOKING = { repeatable: true, quiet: true, keepBytes: 8 * 1024 * 1024 } as const

/**
 * The same for whatever Compose renders, builds and starts: a tree may put any variable into any field, and what a shell or a
 * step sets on its own would make another stack of what was judged. Attestations hold the time of the build, so where the
 * engine stores them with the image, each build would be a new image of the same content.
 */
export const composeEnv = (dir: string): Record<string, string> => ({
  PWD: dir,
  OLDPWD: '',
  SHLVL: '1',
  _: '',
  BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
})

/** For a script whose shell has set others. */
export const withComposeEnv = (dir: string, argv: readonly string[]): string[] => [
  'env',
  ...Object.entries(composeEnv(dir)).map(([name, value]) => `${name}=${value}`),
  ...argv,
]
