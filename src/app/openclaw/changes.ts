/** Changes of files, each with what it takes to undo it: nothing is taken away that somebody else put there or has edited. */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, rmdirSync, rmSync, type Stats } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { jsonEntry, putJsonEntry, takeJsonEntry } from '../../document/edit-json.ts'
import { readFileBounded } from '../../document/read-file.ts'
import { MAX_FILE_BYTES } from '../../document/text-file.ts'
import { quietly } from '../../process/quietly.ts'
import { type Ownership, partOf, setOwnership, writeOwned } from '../../process/write-owned.ts'

type Made = { path: string } & Ownership
/** One entry of a JSON file of somebody else's. */
type Entry = { kind: 'entry'; path: string; at: string[]; value: unknown }
type Line = { kind: 'line'; path: string; line: string }

export type Change =
  | ({ kind: 'folder' } & Made)
  /** `keep`: what is there already stays, a token for one. */
  | ({ kind: 'file'; bytes: Buffer; keep?: boolean } & Made)
  | Entry
  | Line

/** A change that was made or is about to be, as the manifest keeps it. All that is listed was ours, or is to be. */
export type ChangeRecord =
  | { kind: 'folder'; path: string }
  | { kind: 'file'; path: string; digests: string[] }
  | { kind: 'entry'; path: string; at: string[]; values: unknown[] }
  | Line

/** `blocked`: why it cannot be done without taking something of somebody else's. */
export type ChangeLook = { state: 'same' | 'change' } | { state: 'blocked'; why: string }

const SAME: ChangeLook = { state: 'same' }
const CHANGE: ChangeLook = { state: 'change' }
const blocked = (why: string): ChangeLook => ({ state: 'blocked', why })

export const isSameThing = (a: Change | ChangeRecord, b: Change | ChangeRecord): boolean =>
  a.kind === b.kind &&
  a.path === b.path &&
  (a.kind !== 'entry' || isDeepStrictEqual(a.at, (b as { at?: unknown }).at))

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
      return textOf(change.path).split('\n').includes(change.line) ? SAME : CHANGE
    case 'entry':
      return lookAtEntry(change, done)
  }
}

function lookAtEntry(entry: Entry, done: ChangeRecord | undefined): ChangeLook {
  const there = entryThere(entry)
  if (isDeepStrictEqual(there, entry.value)) return SAME
  const isOurs = there === undefined || (done?.kind === 'entry' && holds(done.values, there))
  if (!isOurs) return blocked(`has another ${entry.at.join('.')}`)
  return textWithEntry(entry) === null ? blocked('cannot be edited without guessing') : CHANGE
}

function lookAtFile(
  { path, bytes, mode, keep }: Extract<Change, { kind: 'file' }>,
  stats: Stats | undefined,
  done: ChangeRecord | undefined,
): ChangeLook {
  if (stats === undefined) return CHANGE
  if (keep) return SAME
  const there = digestOf(bytesOf(path))
  if (there === digestOf(bytes)) return (stats.mode & 0o777) === mode ? SAME : CHANGE
  if (done?.kind !== 'file') return blocked('was not written by hostops')
  return done.digests.includes(there) ? CHANGE : blocked('was edited since hostops wrote it')
}

/** Only for what `lookAt` called a change. */
export function carryOut(change: Change): void {
  const { kind, path } = change
  if (kind === 'folder') {
    mkdirSync(path, { mode: 0o700 })
    setOwnership(path, change)
  } else if (kind === 'file') writeOwned(path, change.bytes, change)
  else rewrite(path, textWith(change))
}

/** Throws if the file was changed after it was looked at. */
function textWith(change: Entry | Line): string {
  if (change.kind === 'line') {
    const text = textOf(change.path)
    return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${change.line}\n`
  }
  const text = textWithEntry(change)
  if (text === null) throw new Error(`${change.path} was changed meanwhile`)
  return text
}

export function recordFor(change: Change): ChangeRecord {
  const { kind, path } = change
  switch (kind) {
    case 'folder':
      return { kind, path }
    case 'file':
      return { kind, path, digests: [digestOf(change.bytes)] }
    case 'entry':
      return { kind, path, at: change.at, values: [change.value] }
    case 'line':
      return change
  }
}

/** Until the change is made, what is there may be of either. */
export function withBefore(record: ChangeRecord, before: ChangeRecord | undefined): ChangeRecord {
  if (record.kind === 'file' && before?.kind === 'file')
    return { ...record, digests: [...before.digests, ...record.digests] }
  if (record.kind === 'entry' && before?.kind === 'entry')
    return { ...record, values: [...before.values, ...record.values] }
  return record
}

/** Null once nothing of it is there any more; else why it was left. */
export function undo(done: ChangeRecord): string | null {
  const { kind, path } = done
  if (kind !== 'folder') rmSync(partOf(path), { force: true })
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return null
  if (kind === 'folder')
    return quietly(() => rmdirSync(path) ?? true) === undefined ? 'holds other files' : null
  if (!stats.isFile()) return 'is not a file'
  if (kind === 'entry') return undoEntry(done)
  if (kind === 'file') {
    if (!done.digests.includes(digestOf(bytesOf(path)))) return 'was edited since hostops wrote it'
    rmSync(path)
    return null
  }
  const lines = textOf(path).split('\n')
  if (lines.includes(done.line)) rewrite(path, lines.filter(line => line !== done.line).join('\n'))
  return null
}

function undoEntry(done: Extract<ChangeRecord, { kind: 'entry' }>): string | null {
  const value = entryThere(done)
  if (value === undefined) return null
  const text = holds(done.values, value) ? takeJsonEntry(textOf(done.path), done.at, value) : null
  if (text === null) return `has another ${done.at.join('.')}`
  rewrite(done.path, text)
  return null
}

const entryThere = ({ path, at }: Pick<Entry, 'path' | 'at'>): unknown => jsonEntry(textOf(path), at)

const textWithEntry = ({ path, at, value }: Entry): string | null => putJsonEntry(textOf(path), at, value)

const holds = (values: readonly unknown[], value: unknown): boolean =>
  values.some(each => isDeepStrictEqual(each, value))

/** The file keeps its owner and mode. */
function rewrite(path: string, text: string): void {
  const stats = lstatSync(path)
  writeOwned(path, text, { mode: stats.mode & 0o7777, owner: stats })
}

/** Empty if there is no such file. */
const textOf = (path: string): string => bytesOf(path).toString('utf8')

/** Waits for nothing: a pipe may have taken the place of the file since that was looked at. */
function bytesOf(path: string): Buffer {
  const read = readFileBounded(path)
  if (!read.ok && read.missing) return Buffer.alloc(0)
  if (!read.ok) throw new Error(read.problem)
  if (read.bytes.length > MAX_FILE_BYTES) throw new Error('is larger than 1 MiB')
  return read.bytes
}

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
