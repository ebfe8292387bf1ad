/** Changes of files, each with what it takes to undo it: nothing is taken away that somebody else put there or has edited. */
import { createHash } from 'node:crypto'
import { constants, lstatSync, readFileSync, rmdirSync, rmSync, type Stats } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { jsonEntries } from '../../document/edit-json.ts'
import { yamlEntries } from '../../document/edit-yaml.ts'
import { type EntryFormat, entryAt } from '../../document/entry.ts'
import { makeFolder } from '../../process/make-folder.ts'
import { quietly } from '../../process/quietly.ts'
import { type Ownership, setOwnership, writeOwned } from '../../process/write-owned.ts'

type Made = { path: string } & Ownership
/** One entry of a file of somebody else's. */
type Entry = { kind: 'entry'; path: string; at: string[]; value: unknown }
type Line = { kind: 'line'; path: string; line: string }

export type Change =
  | ({ kind: 'folder' } & Made)
  /** `keep`: what is there already stays, a token for one. */
  | ({ kind: 'file'; bytes: Buffer; keep?: boolean } & Made)
  | Entry
  | Line

/** A change that was made, as the manifest keeps it. */
export type ChangeRecord =
  | { kind: 'folder'; path: string }
  | { kind: 'file'; path: string; sha256: string }
  | Entry
  | Line

/** `blocked`: why it cannot be done without taking something of somebody else's. */
export type ChangeLook = { state: 'same' | 'change' } | { state: 'blocked'; why: string }

const SAME: ChangeLook = { state: 'same' }
const CHANGE: ChangeLook = { state: 'change' }
const blocked = (why: string): ChangeLook => ({ state: 'blocked', why })

export const isSameThing = (a: Change | ChangeRecord, b: Change | ChangeRecord): boolean =>
  a.kind === b.kind && a.path === b.path && (a.kind !== 'entry' || isDeepStrictEqual(a.at, (b as Entry).at))

/** `done`: what an earlier call did, of this very thing. */
export function lookAt(change: Change, done: ChangeRecord | undefined): ChangeLook {
  const stats = lstatSync(change.path, { throwIfNoEntry: false })
  const { kind } = change
  if (kind === 'folder' && stats !== undefined) return stats.isDirectory() ? SAME : blocked('is not a folder')
  if (stats !== undefined && !stats.isFile()) return blocked('is not a file')
  switch (kind) {
    case 'folder':
      return CHANGE
    case 'file':
      return lookAtFile(change, stats, done)
    case 'line':
      return textOf(change.path)?.split('\n').includes(change.line) ? SAME : CHANGE
    case 'entry':
      return lookAtEntry(change, done)
  }
}

function lookAtEntry(entry: Entry, done: ChangeRecord | undefined): ChangeLook {
  const there = entryThere(entry)
  if (isDeepStrictEqual(there, entry.value)) return SAME
  const isOurs = there === undefined || (done?.kind === 'entry' && isDeepStrictEqual(there, done.value))
  if (!isOurs) return blocked(`has another ${entry.at.join('.')}`)
  return edited(entry, 'put') === null ? blocked('cannot be edited without guessing') : CHANGE
}

function lookAtFile(
  { path, bytes, mode, keep }: Extract<Change, { kind: 'file' }>,
  stats: Stats | undefined,
  done: ChangeRecord | undefined,
): ChangeLook {
  if (stats === undefined) return CHANGE
  if (keep) return SAME
  const there = digestOf(readFileSync(path))
  if (there === digestOf(bytes)) return (stats.mode & 0o777) === mode ? SAME : CHANGE
  if (done?.kind !== 'file') return blocked('was not written by hostops')
  return done.sha256 === there ? CHANGE : blocked('was edited since hostops wrote it')
}

/** Only for what `lookAt` called a change. */
export function carryOut(change: Change): void {
  const { kind, path } = change
  if (kind === 'folder') {
    makeFolder(path, change.mode)
    setOwnership(path, change)
  } else if (kind === 'file') writeOwned(path, change.bytes, change)
  else rewrite(path, textWith(change))
}

/** Throws if the file was changed after it was looked at. */
function textWith(change: Entry | Line): string {
  if (change.kind === 'line') {
    const text = textOf(change.path) ?? ''
    return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${change.line}\n`
  }
  const text = edited(change, 'put')
  if (text === null) throw new Error(`${change.path} was changed meanwhile`)
  return text
}

export function doneBy(change: Change): ChangeRecord {
  switch (change.kind) {
    case 'folder':
      return { kind: 'folder', path: change.path }
    case 'file':
      return { kind: 'file', path: change.path, sha256: digestOf(readFileSync(change.path)) }
    default:
      return change
  }
}

/** Null once nothing of it is there any more; else why it was left. */
export function undo(done: ChangeRecord): string | null {
  const stats = lstatSync(done.path, { throwIfNoEntry: false })
  if (stats === undefined) return null
  if (done.kind !== 'folder' && !stats.isFile()) return 'is not a file'
  switch (done.kind) {
    case 'folder':
      return quietly(() => rmdirSync(done.path) ?? true) === undefined ? 'holds other files' : null
    case 'file':
      if (digestOf(readFileSync(done.path)) !== done.sha256) return 'was edited since hostops wrote it'
      rmSync(done.path)
      return null
    case 'line': {
      const lines = (textOf(done.path) ?? '').split('\n')
      if (!lines.includes(done.line)) return null
      rewrite(done.path, lines.filter(line => line !== done.line).join('\n'))
      return null
    }
    case 'entry': {
      if (entryThere(done) === undefined) return null
      const text = edited(done, 'take')
      if (text === null) return `has another ${done.at.join('.')}`
      rewrite(done.path, text)
      return null
    }
  }
}

const formatOf = (path: string): EntryFormat => (path.endsWith('.json') ? jsonEntries : yamlEntries)

const entryThere = ({ path, at }: Entry): unknown => entryAt(formatOf(path).read(textOf(path) ?? ''), at)

const edited = ({ path, at, value }: Entry, how: 'put' | 'take'): string | null =>
  formatOf(path)[how](textOf(path) ?? '', at, value)

/** The file keeps its owner and mode. */
function rewrite(path: string, text: string): void {
  const stats = lstatSync(path)
  writeOwned(path, text, { mode: stats.mode & 0o7777, owner: stats })
}

const UNLINKED = constants.O_RDONLY | constants.O_NOFOLLOW

/** Undefined if there is no such file. */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, { encoding: 'utf8', flag: UNLINKED as never })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
