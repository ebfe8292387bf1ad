import { setTimeout as sleep } from 'node:timers/promises'
import { EXIT_OK, EXIT_USAGE } from '../../report/exit-code.ts'
import { logReader, stepOfLog } from '../../runs/step-log-text.ts'
import { printable } from '../../wording/printable.ts'
import { type OfRuns, withRuns } from '../open/with-runs.ts'
import type { Io } from '../terminal/io.ts'

const POLL_MS = 250

type LogsOptions = OfRuns & { follow?: boolean; step?: string }

export const logs = (given: string, options: LogsOptions, io: Io): Promise<number> =>
  withRuns(options, io, async runs => {
    const runId = await runs.find(given)
    const { step, follow = false } = options
    const files = await runs.logs(runId)
    if (step !== undefined && !follow && !files.some(({ name }) => stepOfLog(name) === step)) {
      const there = [...new Set(files.map(({ name }) => stepOfLog(name)))].join(', ') || 'none'
      io.stderr.write(
        `error: no output of a step "${printable(step)}" in ${runId}\nhint: there are: ${printable(there)}\n`,
      )
      return EXIT_USAGE
    }
    const printers = new Map<string, () => Promise<void>>()
    const print = async () => {
      const listed = await runs.logs(runId)
      for (const { name } of listed) {
        if (step !== undefined && stepOfLog(name) !== step) continue
        const prefix = step === undefined ? `${printable(stepOfLog(name))} | ` : ''
        const printer =
          printers.get(name) ?? makePrinter(name, offset => runs.readLog(runId, name, offset), prefix, io)
        printers.set(name, printer)
        await printer()
      }
      return listed.length
    }
    let printed = 0
    for (let isOver = !follow; ; ) {
      printed = await print()
      if (isOver) break
      // Looked up before the last printing: what was written until then is printed for certain.
      isOver = await runs.hasEnded(runId)
      if (!isOver) await sleep(POLL_MS)
    }
    if (printed === 0) io.stderr.write(`no step of ${runId} has printed anything\n`)
    return EXIT_OK
  })

/** Prints what has been added since the last call, whole lines only. */
function makePrinter(
  name: string,
  read: (offset: number) => Promise<Buffer>,
  prefix: string,
  io: Io,
): () => Promise<void> {
  const linesIn = logReader(name)
  let offset = 0
  return async () => {
    for (;;) {
      const chunk = await read(offset)
      if (chunk.length === 0) return
      offset += chunk.length
      const lines = linesIn(chunk)
      io.stdout.write(lines.map(({ text }) => `${prefix}${printable(text)}\n`).join(''))
    }
  }
}
