/** Paths of a stack, by their text. Pure. */

export const inFolder = (dir: string, name: string) =>
  /^(\/|[A-Za-z]:[\\/])/.test(name) ? name : `${dir}/${name}`

export const isBelow = (path: string, folders: readonly string[]): boolean =>
  folders.some(folder => path.startsWith(folder === '/' ? '/' : `${folder}/`) && path !== folder)

export const isIn = (path: string, folders: readonly string[]) =>
  folders.includes(path) || isBelow(path, folders)
