/** Writes what each step printed, one file for each. Costs a log where it fails, never a run. */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { StepSummary } from '../engine/events.ts'
import { logName } from '../engine/plan.ts'
import { type LogLine, logLine } from './step-log-text.ts'

const FLUSH_AT = 16 * 1024
/** For whoever follows the log. */
const FLUSH_AFTER_MS = 200
const NEWLINE = 0x0a

type Log = { name: string; pending: string; descriptor: number | null }

export function openLogs(folder: string) {
  const logs = new Map<string, Log>()
  let timer: NodeJS.Timeout | null = null
  const logOf = (id: string): Log => {
    const known = logs.get(id)
    if (known !== undefined) return known
    // The lock and the record speak too, and are no steps.
    const log = { name: logName(logs.size + 1, id), pending: '', descriptor: null }
    logs.set(id, log)
    return log
  }
  const flush = (log: Log) => {
    const text = log.pending
    log.pending = ''
    if (text !== '') quietly(() => write(log, folder, text))
  }
  const finish = (log: Log) => {
    flush(log)
    const { descriptor } = log
    log.descriptor = null
    if (descriptor !== null) quietly(() => closeSync(descriptor))
  }
  const flushSoon = () => {
    timer = setTimeout(() => {
      timer = null
      for (const log of logs.values()) flush(log)
    }, FLUSH_AFTER_MS)
    timer.unref()
  }
  return {
    expect(steps: readonly StepSummary[]) {
      for (const { id, log: name } of steps) logs.set(id, { name, pending: '', descriptor: null })
    },
    line(id: string, line: LogLine) {
      const log = logOf(id)
      log.pending += logLine(line)
      if (log.pending.length >= FLUSH_AT) flush(log)
      else if (timer === null) flushSoon()
    },
    finish: (id: string) => finish(logOf(id)),
    close() {
      if (timer !== null) clearTimeout(timer)
      for (const log of logs.values()) finish(log)
    },
  }
}

function write(log: Log, folder: string, text: string): void {
  if (log.descriptor === null) {
    makeIfMissing(folder)
    log.descriptor = openSync(join(folder, log.name), 'a+', 0o600)
  }
  // A line that a full disk, or the end of a runner, has cut takes no other one with it.
  const whole = endsWhole(log.descriptor) ? text : `\n${text}`
  writeSync(log.descriptor, whole)
}

/** Not the folders above: the run may have been removed. */
function makeIfMissing(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function endsWhole(descriptor: number): boolean {
  const { size } = fstatSync(descriptor)
  const last = Buffer.alloc(1)
  return size === 0 || (readSync(descriptor, last, 0, 1, size - 1) === 1 && last[0] === NEWLINE)
}

function quietly(work: () => void): void {
  try {
    work()
  } catch {
    // The run goes on without it.
  }
}
