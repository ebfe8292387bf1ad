/**
 * Whether a path can lead elsewhere by the time it is used. The holder of a token may run under any uid (a container
 * with the socket's group does), so that everybody but root and the daemon's own user counts as the holder.
 */
import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { join, posix } from 'node:path'
import type { FolderId } from '../../../process/workdir.ts'
import type { Fault } from './template.ts'

export type Judged = {
  /** With all links followed; null where nobody can say. */
  readonly real: string | null
  /** Why others can change where the path leads, or what is there. */
  readonly unsafe: Fault | null
  /** Null where nothing is there. */
  readonly found: (FolderId & { readonly isFolder: boolean }) | null
}

const MOST_LINKS = 40
/** Each costs a look while everybody waits, and forty links can spell out many thousands. */
const MOST_STEPS = 1000
const OTHERS_WRITE = 0o022
const STICKY = 0o1000

/** Looks at each folder and each link on the way. Takes absolute paths only. */
export function judge(path: string, trusted: ReadonlySet<number>): Judged {
  if (!path.startsWith('/') || path.includes('\0')) return unknown(`${path} is not an absolute path`)
  try {
    return follow(path, trusted)
  } catch (error) {
    return unknown(`${path} cannot be looked at: ${(error as NodeJS.ErrnoException).code}`)
  }
}

function follow(path: string, trusted: ReadonlySet<number>): Judged {
  const ahead = namesOf(path)
  let at = '/'
  let stats: Stats = lstatSync(at)
  let unsafe: Fault | null = null
  let links = 0
  for (let steps = 0; ahead.length > 0; steps += 1) {
    if (steps === MOST_STEPS) return unknown(`${path} is too long a way`)
    if (!stats.isDirectory()) return absent(at, ahead, at, stats, unsafe)
    unsafe ??= faultOnTheWay(at, stats, trusted)
    const name = ahead.shift()!
    // Nothing in front of it is a link by now.
    const next = name === '..' ? posix.dirname(at) : join(at, name)
    const entry = lstatSync(next, { throwIfNoEntry: false })
    if (entry === undefined) return absent(next, ahead, at, stats, unsafe)
    if (!entry.isSymbolicLink()) {
      at = next
      stats = entry
      continue
    }
    links += 1
    if (links > MOST_LINKS) return unknown(`${path} is a loop of links`)
    unsafe ??= foreignOwner(next, entry, trusted)
    const target = readlinkSync(next)
    ahead.unshift(...namesOf(target))
    if (target.startsWith('/')) at = '/'
    stats = lstatSync(at)
  }
  unsafe ??= faultThere(at, stats, trusted)
  return { real: at, unsafe, found: { dev: stats.dev, ino: stats.ino, isFolder: stats.isDirectory() } }
}

const namesOf = (path: string): string[] => path.split('/').filter(name => name !== '')
const unknown = (reason: string): Judged => ({ real: null, unsafe: { reason }, found: null })

/** In a folder where everybody may make files, anybody can still make this one. */
function absent(
  path: string,
  rest: readonly string[],
  at: string,
  stats: Stats,
  unsafe: Fault | null,
): Judged {
  if (rest.includes('..')) return unknown(`${path} is not there`)
  const open = (stats.mode & OTHERS_WRITE) !== 0 ? writable(at, stats) : null
  return { real: join(path, ...rest), unsafe: unsafe ?? open, found: null }
}

/** In a sticky folder (/tmp) nobody renames what belongs to others. */
function faultOnTheWay(path: string, stats: Stats, trusted: ReadonlySet<number>): Fault | null {
  return foreignOwner(path, stats, trusted) ?? ((stats.mode & STICKY) === 0 ? writable(path, stats) : null)
}

/** Sockets and devices lead where they lead; their mode is for those who use them. */
const faultThere = (path: string, stats: Stats, trusted: ReadonlySet<number>): Fault | null =>
  stats.isFile() || stats.isDirectory() ? (foreignOwner(path, stats, trusted) ?? writable(path, stats)) : null

const foreignOwner = (path: string, { uid }: Stats, trusted: ReadonlySet<number>): Fault | null =>
  trusted.has(uid) ? null : { reason: `${path} belongs to uid ${uid}`, hint: `chown root ${path}` }

function writable(path: string, { mode, gid }: Stats): Fault | null {
  const who =
    (mode & 0o002) !== 0 ? 'every user of this machine' : (mode & 0o020) !== 0 ? `group ${gid}` : null
  return who === null ? null : { reason: `${path} can be changed by ${who}`, hint: `chmod go-w ${path}` }
}

export const isWithin = (root: string, path: string): boolean =>
  path === root || path.startsWith(root === '/' ? root : `${root}/`)

/** Said behind the reason why a path is not safe. */
export const LEADS = 'whoever holds the token may be one of them, and lead the command elsewhere'
