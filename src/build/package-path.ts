/** Where files of this package are, whether this code runs from its sources, from a bundle or from a chunk of one. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

let root: string | null | undefined

/** `path` is relative to the folder that holds our package.json. */
export function packagePath(path: string): string {
  const here = dirname(fileURLToPath(import.meta.url))
  root ??= findRoot(here)
  return root === null ? beside(here, path) : join(root, path)
}

function findRoot(folder: string): string | null {
  for (let at = folder; at !== dirname(at); at = dirname(at)) if (isOurs(join(at, 'package.json'))) return at
  return null
}

/** Not the package of somebody in whose folder a copy of ours lies. */
function isOurs(file: string): boolean {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).name === 'hostops'
  } catch {
    return false
  }
}

/** Bundles that were copied or mounted without their package: the others lie here, or above the chunks. */
function beside(here: string, path: string): string {
  const files = [here, dirname(here)].map(folder => join(folder, path.replace(/^dist\//, '')))
  return files.find(file => existsSync(file)) ?? files[0]!
}
