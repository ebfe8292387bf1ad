/**
 * The run's own record: `journal.ndjson` with what was intended and what came of it, and a log for each step.
 * An intent that cannot be recorded throws, so that nothing is done that nobody could find out about later.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { Failed } from '../failure.ts'
import { makeFolder } from '../hostlink/make-folder.ts'
import type { Event } from './events.ts'
import { journalId } from './recover.ts'
import { giveReserve, takeReserve } from './reserve.ts'
import { mayChange } from './state.ts'

export type Journal = {
  write(event: Event): void
  /** Of this journal and no other; empty before its first line. */
  id(): string
  /** Whether all that was written is on the disk, as far as the disk tells. */
  isWhole(): boolean
  close(): void
}

export const JOURNAL_VERSION = 1

export function openJournal(folder: string, now: () => number): Journal {
  const file = join(folder, 'journal.ndjson')
  const { descriptor, lines, bytes, firstId } = guarded(file, () => openWhole(file))
  // A run does not begin where its end may find no room; who goes on with one has no choice.
  if (lines === 0) guarded(file, () => takeReserve(folder))
  else quietly(() => takeReserve(folder))
  const logs = openLogs(join(folder, 'steps'))
  let sequence = lines
  let id = firstId
  let end = bytes
  /** What could not be written goes first, so that no line is ever missing before another one. */
  let backlog = ''
  /**
   * The end of a step and the beginning of the next one are one wait for the disk: an end is synced together with
   * what is written next, always before anything else is done, or in this same turn when nothing is.
   */
  let due: NodeJS.Immediate | null = null
  let anchored = false
  /** A disk that has once failed to keep something may say yes the next time, and has not kept it all the same. */
  let lost: Error | null = null
  const sync = () => {
    if (due !== null) clearImmediate(due)
    due = null
    if (lost !== null) throw lost
    try {
      fdatasyncSync(descriptor)
    } catch (error) {
      lost = error as Error
      throw error
    }
  }
  const append = (line: string, when: 'now' | 'soon' | 'never') => {
    backlog += line
    const data = Buffer.from(backlog)
    try {
      writeWhole(descriptor, data)
    } catch (error) {
      // A full disk takes the beginning of a line: nothing may ever be appended to that.
      ftruncateSync(descriptor, end)
      throw error
    }
    end += data.length
    backlog = ''
    if (when === 'now' || due !== null) sync()
    if (when === 'soon') due ??= setImmediate(() => quietly(sync))
  }
  return {
    write(event) {
      if (event.type === 'output') return logs.line(event.id, event.line)
      sequence += 1
      const entry = { v: JOURNAL_VERSION, seq: sequence, at: new Date(now()).toISOString(), ...event }
      const line = JSON.stringify(entry)
      id ||= journalId(line)
      const record = () => append(`${line}\n`, syncOf(event))
      if (isIntent(event)) {
        const before = backlog
        const changes = event.type === 'step-started' && mayChange(event.effect)
        try {
          if (!anchored && changes) guarded(folder, () => anchor(folder))
          anchored ||= changes
          guarded(file, record)
        } catch (error) {
          // It will not be acted on, so that it must not be told later either, unless it stands there already.
          if (backlog !== '') {
            backlog = before
            sequence -= 1
          }
          throw error
        }
      } else if (!quietly(record) && endsForward(event)) {
        quietly(() => giveReserve(folder))
        quietly(() => append('', 'now'))
      }
      if (event.type === 'said') logs.line(event.id, event.line)
      if (event.type === 'step-finished' || event.type === 'part-finished') logs.finish(event.id)
    },
    id: () => id,
    isWhole: () => backlog === '' && lost === null,
    close() {
      logs.close()
      if (due !== null) quietly(sync)
      quietly(() => closeSync(descriptor))
      quietly(() => giveReserve(folder))
    },
  }
}

/** Before the first change: what the run would be resumed from, and the names of it all, must outlive a power cut. */
function anchor(folder: string): void {
  for (const name of ['plan.json', 'playbook.yaml'])
    if (existsSync(join(folder, name))) syncAt(join(folder, name))
  for (const place of [folder, dirname(folder), dirname(dirname(folder))]) syncFolder(place)
}

/** Not every file system lets a folder be synced. */
const syncFolder = (folder: string) => quietly(() => syncAt(folder))

function syncAt(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** What must not be done unless it stands there: a deadline that nobody could find again would be set anew. */
const isIntent = ({ type }: Event) => type === 'step-started' || type === 'confirm-awaited'

/** From here on nothing is begun any more that a full disk could keep from being told. */
const endsForward = ({ type }: Event) => type === 'rollback-started' || type === 'run-finished'

/** What a runner was writing when it died was not said: the next line begins where the last whole one ended. */
function openWhole(file: string) {
  const descriptor = openSync(file, 'a', 0o600)
  const text = readFileSync(file)
  const whole = text.lastIndexOf(0x0a) + 1
  if (whole < text.length) ftruncateSync(descriptor, whole)
  let lines = 0
  for (let at = text.indexOf(0x0a); at !== -1; at = text.indexOf(0x0a, at + 1)) lines += 1
  const firstId = lines === 0 ? '' : journalId(text.toString('utf8', 0, text.indexOf(0x0a)))
  return { descriptor, lines, bytes: whole, firstId }
}

/** A write may be a short one, and the disk is full only at the next. */
function writeWhole(descriptor: number, data: Buffer): void {
  for (let at = 0; at < data.length; ) at += writeSync(descriptor, data, at)
}

const syncOf = (event: Event) => {
  if (!isTransition(event)) return 'never'
  return event.type === 'step-finished' ? 'soon' : 'now'
}

/** What recovery decides by must be on the disk before, and right after, the host changes. */
function isTransition(event: Event): boolean {
  switch (event.type) {
    case 'step-started':
      return mayChange(event.effect)
    case 'step-finished':
      return event.effect !== null && mayChange(event.effect)
    case 'run-started':
    case 'resumed':
    case 'recorded':
    case 'confirm-awaited':
    case 'run-finished':
    case 'rollback-started':
    case 'part-started':
    case 'part-finished':
    case 'rollback-finished':
      return true
    default:
      return false
  }
}

const FLUSH_AT = 16 * 1024

function openLogs(folder: string) {
  const pending = new Map<string, string>()
  const names = new Map<string, string>()
  const open = new Map<string, number>()
  const descriptorOf = (id: string): number => {
    const known = open.get(id)
    if (known !== undefined) return known
    const name = names.get(id) ?? logName(names.size + 1, id)
    names.set(id, name)
    makeFolder(folder, 0o700)
    const descriptor = openSync(join(folder, name), 'a', 0o600)
    open.set(id, descriptor)
    return descriptor
  }
  // A log that cannot be written costs the log, never the run.
  const flush = (id: string) => {
    const text = pending.get(id)
    if (text === undefined) return
    pending.delete(id)
    quietly(() => writeSync(descriptorOf(id), text))
  }
  const finish = (id: string) => {
    flush(id)
    const descriptor = open.get(id)
    open.delete(id)
    if (descriptor !== undefined) quietly(() => closeSync(descriptor))
  }
  return {
    line(id: string, line: string) {
      const text = `${pending.get(id) ?? ''}${line}\n`
      pending.set(id, text)
      if (text.length >= FLUSH_AT) flush(id)
    },
    finish,
    close() {
      for (const id of new Set([...pending.keys(), ...open.keys()])) finish(id)
    },
  }
}

const logName = (number: number, id: string) =>
  `${String(number).padStart(3, '0')}-${id.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 100)}.log`

function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new Failed({ code: 'state-unwritable', path, problem: (error as Error).message })
  }
}

function quietly(work: () => void): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}
