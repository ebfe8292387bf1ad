import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readRun } from '../../runs/runs-folder.ts'
import { logReader, logsInOrder, stepOfLog } from '../../runs/step-log-text.ts'
import { printable } from '../../ui/printable.ts'
import { EXIT_OK, EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { openRun } from '../state/open-state.ts'

const POLL_MS = 250
const CHUNK = 64 * 1024

export async function logs(
  given: string,
  options: { follow?: boolean; step?: string; config?: string },
  io: Io,
): Promise<number> {
  const run = await openRun(given, options, io)
  if (run === null) return EXIT_USAGE
  const folder = join(run.folder, 'steps')
  const names = logNames(folder)
  if (
    options.step !== undefined &&
    !options.follow &&
    !names.some(name => stepOfLog(name) === options.step)
  ) {
    const there = [...new Set(names.map(stepOfLog))].join(', ') || 'none'
    io.stderr.write(
      `error: no output of a step "${options.step}" in ${run.head.runId}\nhint: there are: ${there}\n`,
    )
    return EXIT_USAGE
  }
  const printers = new Map<string, () => void>()
  const print = () => {
    for (const name of logNames(folder)) {
      if (options.step !== undefined && stepOfLog(name) !== options.step) continue
      const printer =
        printers.get(name) ??
        makePrinter(folder, name, options.step === undefined ? `${stepOfLog(name)} | ` : '', io)
      printers.set(name, printer)
      printer()
    }
  }
  for (let alive = true; options.follow && alive; ) {
    // Asked before printing: what was written until then is printed for certain.
    alive = readRun(run.folder)?.alive ?? false
    print()
    if (alive) await sleep(POLL_MS)
  }
  print()
  if (logNames(folder).length === 0) io.stderr.write(`no step of ${run.head.runId} has printed anything\n`)
  return EXIT_OK
}

/** Prints what has been added since the last call, whole lines only. */
function makePrinter(folder: string, name: string, prefix: string, io: Io): () => void {
  const linesIn = logReader(name)
  const buffer = Buffer.alloc(CHUNK)
  let offset = 0
  return () => {
    const fd = openSync(join(folder, name), 'r')
    try {
      for (;;) {
        const read = readSync(fd, buffer, 0, CHUNK, offset)
        if (read === 0) return
        offset += read
        const lines = linesIn(buffer.subarray(0, read))
        io.stdout.write(lines.map(({ text }) => `${prefix}${printable(text)}\n`).join(''))
      }
    } finally {
      closeSync(fd)
    }
  }
}

function logNames(folder: string): string[] {
  try {
    return logsInOrder(readdirSync(folder))
  } catch {
    return []
  }
}
