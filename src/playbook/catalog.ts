/**
 * Named playbooks: `NAME.yaml` in one of the catalog's folders, the first folder that has it. A name is a file's
 * name without its ending; it cannot hold slashes, so no name leads out of a folder. Links are followed, because
 * whoever can make one there could write the file as well.
 */

import { readdirSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { packagePath } from '../build/package-path.ts'
import { createSource, type Diagnostic, error } from '../document/diagnostic.ts'
import { nearest } from '../document/nearest.ts'
import { readFileBounded } from '../document/read-file.ts'
import type { Failure } from '../failure.ts'
import type { Env } from '../process/surroundings.ts'
import { userConfigFolder } from '../process/user-folders.ts'
import { loadPlaybook } from './load.ts'
import type { Kinds } from './load-steps.ts'
import type { Playbook } from './playbook.ts'

type FolderOrigin = '--playbooks' | 'HOSTOPS_PLAYBOOKS' | 'settings' | 'here' | 'user' | 'shipped'
export type Folder = { path: string; origin: FolderOrigin }

export type CatalogOptions = {
  playbooks?: string | undefined
  settings?: { playbooks?: string | undefined } | undefined
  env: Env
  cwd: string
}

export type CatalogEntry = { name: string; file: string; origin: FolderOrigin } & (
  | { ok: true; playbook: Playbook; warnings: Diagnostic[] }
  | { ok: false; diagnostics: Diagnostic[] }
)

type FoundPlaybook = { ok: true; file: string; bytes: Buffer } | { ok: false; failure: Failure }

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const ENDINGS = ['.yaml', '.yml']
const IS_FILE = /[\\/]|\.ya?ml$/i

export function catalogFolders({ playbooks, settings, env, cwd }: CatalogOptions): Folder[] {
  const user = userConfigFolder(env)
  const folders: [string | undefined | null, FolderOrigin][] = [
    [playbooks, '--playbooks'],
    [env['HOSTOPS_PLAYBOOKS'] === '' ? undefined : env['HOSTOPS_PLAYBOOKS'], 'HOSTOPS_PLAYBOOKS'],
    [settings?.playbooks, 'settings'],
    [user === null ? null : join(user, 'playbooks'), 'user'],
    [packagePath('playbooks'), 'shipped'],
    // Last: whoever owns the folder that somebody happens to be in decides what no other name means.
    ['playbooks', 'here'],
  ]
  const seen = new Set<string>()
  return folders.flatMap(([path, origin]) => {
    if (path == null) return []
    const absolute = resolve(cwd, path)
    if (seen.has(absolute)) return []
    seen.add(absolute)
    return [{ path: absolute, origin }]
  })
}

/** Every playbook that a name leads to, broken ones included, in the order of their names. */
export function listPlaybooks(options: CatalogOptions, kinds: Kinds): CatalogEntry[] {
  const entries = new Map<string, CatalogEntry>()
  for (const folder of catalogFolders(options)) {
    for (const { name, file } of filesIn(folder)) {
      if (!entries.has(name)) entries.set(name, { name, origin: folder.origin, ...loadFile(file, kinds) })
    }
  }
  return [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** `./x.yaml`, `dir/x` and whatever ends in .yaml or .yml is a file; anything else is a name. */
export function findPlaybook(nameOrFile: string, options: CatalogOptions): FoundPlaybook {
  if (!IS_FILE.test(nameOrFile)) return withFileHere(findNamedPlaybook(nameOrFile, options), options)
  const read = readFileBounded(resolve(options.cwd, nameOrFile))
  if (read.ok) return { ok: true, file: nameOrFile, bytes: read.bytes }
  if (!read.missing) return { ok: false, failure: unreadable(nameOrFile, read.problem) }
  const folder = dirname(resolve(options.cwd, nameOrFile))
  const suggestion = nearest(basename(nameOrFile), yamlFilesIn(folder))
  const meant = suggestion === undefined ? {} : { suggestion: join(dirname(nameOrFile), suggestion) }
  return {
    ok: false,
    failure: { code: 'playbook-not-found', name: nameOrFile, searched: [folder], ...meant },
  }
}

/** Who forgets the ending of a file means that file. */
function withFileHere(found: FoundPlaybook, { cwd }: CatalogOptions): FoundPlaybook {
  if (found.ok || found.failure.code !== 'playbook-not-found') return found
  const { name } = found.failure
  const file = yamlFilesIn(cwd).find(each => ENDINGS.some(ending => each === name + ending))
  return file === undefined ? found : { ok: false, failure: { ...found.failure, suggestion: file } }
}

/** A file with this name in a folder of the catalog is what `findPlaybook` finds under it. */
export const isPlaybookName = (text: string): boolean => NAME.test(text) && !IS_FILE.test(text)

/** Never a path: for callers who may choose among the catalog's playbooks and nothing else. */
export function findNamedPlaybook(name: string, options: CatalogOptions): FoundPlaybook {
  const folders = catalogFolders(options)
  for (const folder of NAME.test(name) ? folders : []) {
    for (const ending of ENDINGS) {
      const file = join(folder.path, name + ending)
      const read = readFileBounded(file)
      if (read.ok) return { ok: true, file, bytes: read.bytes }
      if (!read.missing) return { ok: false, failure: unreadable(file, read.problem) }
    }
  }
  const suggestion = nearest(
    name,
    folders.flatMap(filesIn).map(entry => entry.name),
  )
  return {
    ok: false,
    failure: {
      code: 'playbook-not-found',
      name,
      searched: folders.map(folder => folder.path),
      ...(suggestion === undefined ? {} : { suggestion }),
    },
  }
}

function loadFile(
  file: string,
  kinds: Kinds,
): { file: string } & (
  | { ok: true; playbook: Playbook; warnings: Diagnostic[] }
  | { ok: false; diagnostics: Diagnostic[] }
) {
  const read = readFileBounded(file)
  if (read.ok) return { file, ...loadPlaybook(read.bytes, file, kinds) }
  const place = createSource(file, '').place(0, 0)
  return { file, ok: false, diagnostics: [error('unreadable', place, read.problem)] }
}

const yamlFilesIn = (path: string) => filesIn({ path }).map(({ file }) => basename(file))

function filesIn({ path }: Pick<Folder, 'path'>): { name: string; file: string }[] {
  let files: string[]
  try {
    files = readdirSync(path)
  } catch {
    // A folder that is not there, or not ours to read, has no playbooks.
    return []
  }
  return files.sort().flatMap(file => {
    const ending = ENDINGS.find(each => file.endsWith(each))
    const name = ending === undefined ? '' : file.slice(0, -ending.length)
    return NAME.test(name) ? [{ name, file: join(path, file) }] : []
  })
}

function unreadable(file: string, problem: string): Failure {
  return { code: 'playbook-unreadable', file, problem }
}
