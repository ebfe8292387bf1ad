/** Changes of files, each with what it takes to undo it: nothing is taken away that somebody else put there or has edited. */
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import {
  entryAt,
  withEntry,
  withoutEntry,
  withoutValue,
  withValue,
  yamlValue,
} from '../../document/edit-yaml.ts'
import { makeFolder } from '../../process/make-folder.ts'
import { quietly } from '../../process/quietly.ts'

type Owner = { uid: number; gid: number }
type Made = { path: string; mode: number; owner?: Owner | undefined }
type Entry = { at: string[]; value: unknown }

export type Change =
  | ({ kind: 'folder' } & Made)
  /** `keep`: what is there already stays, a token for one. */
  | ({ kind: 'file'; bytes: Buffer; keep?: boolean } & Made)
  /** One entry of a file of somebody else's. */
  | ({ kind: 'entry'; path: string } & Entry)
  | { kind: 'line'; path: string; line: string }

/** What was done, as the manifest keeps it. */
export type ChangeRecord =
  | { kind: 'folder'; path: string }
  | { kind: 'file'; path: string; sha256: string }
  | ({ kind: 'entry'; path: string } & Entry)
  | { kind: 'line'; path: string; line: string }

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

function lookAtEntry(entry: InFile, done: ChangeRecord | undefined): ChangeLook {
  const there = entryAt(parsed(entry), entry.at)
  if (isDeepStrictEqual(there, entry.value)) return SAME
  const isOurs = there === undefined || (done?.kind === 'entry' && isDeepStrictEqual(there, done.value))
  if (!isOurs) return blocked(`has another ${entry.at.join('.')}`)
  return edited(entry) === null ? blocked('cannot be edited without guessing') : CHANGE
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
  switch (change.kind) {
    case 'folder':
      makeFolder(change.path, change.mode)
      own(change.path, change)
      return
    case 'file':
      write(change.path, change.bytes, change)
      return
    case 'line': {
      const text = textOf(change.path) ?? ''
      const end = text === '' || text.endsWith('\n') ? '' : '\n'
      write(change.path, Buffer.from(`${text}${end}${change.line}\n`), asItIs(change.path))
      return
    }
    case 'entry':
      write(change.path, Buffer.from(edited(change) ?? ''), asItIs(change.path))
  }
}

export function doneBy(change: Change): ChangeRecord {
  const { kind, path } = change
  switch (kind) {
    case 'folder':
      return { kind, path }
    case 'file':
      return { kind, path, sha256: digestOf(readFileSync(path)) }
    case 'line':
      return { kind, path, line: change.line }
    case 'entry':
      return { kind, path, at: change.at, value: change.value }
  }
}

/** Null once nothing of it is there any more; else why it was left. */
export function undo(done: ChangeRecord): string | null {
  if (lstatSync(done.path, { throwIfNoEntry: false }) === undefined) return null
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
      const rest = lines.filter(line => line !== done.line).join('\n')
      write(done.path, Buffer.from(rest), asItIs(done.path))
      return null
    }
    case 'entry': {
      if (entryAt(parsed(done), done.at) === undefined) return null
      const text = without(done)
      if (text === null) return `has another ${done.at.join('.')}`
      write(done.path, Buffer.from(text), asItIs(done.path))
      return null
    }
  }
}

type InFile = { path: string } & Entry

const isJson = ({ path }: InFile): boolean => path.endsWith('.json')

/** Null if it cannot be put in without changing anything else. */
function edited(entry: InFile): string | null {
  const { path, at, value } = entry
  const text = textOf(path) ?? ''
  if (isJson(entry)) {
    const root = json(text)
    return root === null ? null : jsonText(withValue(root, at, value))
  }
  const key = at as [string, string]
  const there = entryAt(yamlValue(text), at)
  const without = there === undefined ? text : withoutEntry(text, key, there)
  return without === null ? null : withEntry(without, key, value)
}

/** Null if another value is there. */
function without(entry: InFile): string | null {
  const { path, at, value } = entry
  const text = textOf(path) ?? ''
  if (!isJson(entry)) return withoutEntry(text, at as [string, string], value)
  const root = json(text)
  if (root === null || !isDeepStrictEqual(entryAt(root, at), value)) return null
  return jsonText(withoutEmpty(withoutValue(root, at) as object, at.slice(0, -1)))
}

/** Maps that held nothing else go with it. */
function withoutEmpty(root: object, path: readonly string[]): object {
  const there = entryAt(root, path)
  const isEmpty = path.length > 0 && isDeepStrictEqual(there, {})
  return isEmpty ? withoutEmpty(withoutValue(root, path) as object, path.slice(0, -1)) : root
}

const jsonText = (value: object): string => `${JSON.stringify(value, null, 2)}\n`

const parsed = (entry: InFile): unknown => {
  const text = textOf(entry.path) ?? ''
  return isJson(entry) ? json(text) : yamlValue(text)
}

/** Strict JSON only: a file with comments is for its owner to edit. */
function json(text: string): object | null {
  const value: unknown = text.trim() === '' ? {} : quietly(() => JSON.parse(text))
  return typeof value === 'object' && !Array.isArray(value) ? value : null
}

function asItIs(path: string): Omit<Made, 'path'> {
  const stats = lstatSync(path)
  return { mode: stats.mode & 0o7777, owner: stats }
}

/** Its owner and mode are right before it has its name: a token can never be read by others, not for a moment. */
function write(path: string, bytes: Buffer, made: Omit<Made, 'path'>): void {
  const part = `${path}.${randomBytes(4).toString('hex')}`
  try {
    writeFileSync(part, bytes, { mode: 0o600, flag: 'wx' })
    own(part, made)
    renameSync(part, path)
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  }
}

/** Not what a link leads to: the folder may be another user's, who puts one there meanwhile. */
function own(path: string, { mode, owner }: Omit<Made, 'path'>): void {
  const descriptor = openSync(path, UNLINKED)
  try {
    if (owner !== undefined) fchownSync(descriptor, owner.uid, owner.gid)
    fchmodSync(descriptor, mode)
  } finally {
    closeSync(descriptor)
  }
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
