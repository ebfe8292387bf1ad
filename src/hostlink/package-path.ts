/** Where files of this package are, whether this code runs from its sources, from a bundle or from a chunk of one. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

let root: string | undefined

/** `path` is relative to the folder that holds our package.json. */
export function packagePath(path: string): string {
  root ??= findRoot(dirname(fileURLToPath(import.meta.url)))
  return join(root, path)
}

function findRoot(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    // A bundle that was copied away from its package finds what lies beside it, or nothing.
    if (at === dirname(at)) return folder
    if (existsSync(join(at, 'package.json'))) return at
  }
}
