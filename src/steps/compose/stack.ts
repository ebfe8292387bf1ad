/** What everything that looks at a stack shares. */

export const LOOKING = { repeatable: true, quiet: true, keepBytes: 8 * 1024 * 1024 } as const

export const inFolder = (dir: string, name: string) =>
  /^(\/|[A-Za-z]:[\\/])/.test(name) ? name : `${dir}/${name}`
