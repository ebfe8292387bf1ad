/**
 * Compiled code, which is half of what a short command takes: the build keeps it beside the program for its own V8; for
 * any other, the first call that ends well keeps it in the user's cache folder. It is trusted like the program itself:
 * a folder or a file that anybody else could have written to is not looked at.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { compiledName } from './compile.ts'

declare const __BUILD__: string

export type Found = {
  code: Buffer | undefined
  /** Where code is to be kept when there is none, or none that this Node takes; null where there is no place for it. */
  keepAs: { folder: string; name: string } | null
}

/** What V8 refuses is made anew, but not by every call: two Nodes may disagree about the same file. */
const A_DAY_MS = 86_400_000
/** Of a few builds and versions, some parts for each of two calls; the oldest go. */
const MOST_KEPT = 32
const GROUP_OR_OTHERS = 0o022

type OfPart = { part: string; file: string }

export function findCode({ part, file }: OfPart, args: readonly string[], env: NodeJS.ProcessEnv): Found {
  const folder = cacheFolder(env)
  const call = args[0] === 'validate' ? 'validate' : 'run'
  const name = `${__BUILD__}-${process.versions.v8}-${process.arch}-${call}-${part}`
  const own = folder === null ? undefined : quietly(() => readOwn(folder, name))
  const isFresh = own !== undefined && Date.now() - own.keptAt < A_DAY_MS
  // What a call does not do, the code that it leaves behind would lack.
  const isWhole = args[0] === call && !args.some(arg => arg === '--dry-run' || arg === '--check')
  return {
    code: own?.code ?? quietly(() => readFileSync(compiledName(file))),
    keepAs: folder !== null && isWhole && !isFresh ? { folder, name } : null,
  }
}

/** Whole or not at all. What cannot be kept costs the next call its time, and nothing else. */
export function keepCode({ folder, name }: NonNullable<Found['keepAs']>, code: Buffer): void {
  quietly(() => {
    // Only our own, and not in the home of somebody else, which sudo may leave as it was.
    if (statSync(dirname(folder)).uid !== process.geteuid?.()) return
    quietly(() => mkdirSync(folder, { mode: 0o700 }))
    if (!isOwnFolder(folder)) return
    const temporary = join(folder, `.${name}.${randomBytes(6).toString('hex')}`)
    try {
      const descriptor = openSync(temporary, 'wx', 0o600)
      try {
        writeFileSync(descriptor, code)
        fsyncSync(descriptor)
      } finally {
        closeSync(descriptor)
      }
      renameSync(temporary, join(folder, name))
    } finally {
      rmSync(temporary, { force: true })
    }
    removeOldest(folder)
  })
}

/** Other flags make other code, and whoever says so does not want ours; without users, nothing tells whose a folder is. */
function cacheFolder(env: NodeJS.ProcessEnv): string | null {
  if (process.getuid === undefined || env['NODE_DISABLE_COMPILE_CACHE'] === '1') return null
  if (env['NODE_OPTIONS'] || process.execArgv.length > 0) return null
  const { XDG_CACHE_HOME: given, HOME: home } = env
  if (given && isAbsolute(given)) return join(given, 'hostops')
  return home && isAbsolute(home) ? join(home, '.cache', 'hostops') : null
}

function readOwn(folder: string, name: string): { code: Buffer; keptAt: number } | undefined {
  if (!isOwnFolder(folder)) return undefined
  const descriptor = openSync(join(folder, name), constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const stats = fstatSync(descriptor)
    if (!stats.isFile() || !isOwn(stats)) return undefined
    return { code: readFileSync(descriptor), keptAt: stats.mtimeMs }
  } finally {
    closeSync(descriptor)
  }
}

const isOwnFolder = (folder: string): boolean => {
  const stats = lstatSync(folder)
  return stats.isDirectory() && isOwn(stats)
}

const isOwn = ({ uid, mode }: Stats): boolean => uid === process.geteuid?.() && (mode & GROUP_OR_OTHERS) === 0

function removeOldest(folder: string): void {
  const files = readdirSync(folder).map(name => ({
    file: join(folder, name),
    kept: lstatSync(join(folder, name)).mtimeMs,
  }))
  files.sort((a, b) => b.kept - a.kept)
  for (const { file } of files.slice(MOST_KEPT)) rmSync(file, { force: true })
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
