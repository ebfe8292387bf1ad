/** What the commands of each step said, one file for each: `steps/NNN-<step id>.log`. Costs a log where it fails, never a run. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../process/make-folder.ts'

const FLUSH_AT = 16 * 1024

export function openLogs(folder: string) {
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

function quietly(work: () => void): void {
  try {
    work()
  } catch {
    // The run goes on without it.
  }
}
