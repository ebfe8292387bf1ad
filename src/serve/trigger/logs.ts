/** The last lines that the steps of a run printed, each after the id of its step: so none can pass for the result line. */
import { EXIT_OK } from '../../report/exit-code.ts'
import type { Runs } from '../../runs/runs.ts'
import { logReader, stepOfLog } from '../../runs/step-log-text.ts'
import { printable } from '../../wording/printable.ts'
import type { TriggerIo } from './print.ts'

/** Read from the end of each log; an agent gets a few hundred lines at most. */
const TAIL_BYTES = 64 * 1024
const MOST_CHARACTERS = 100_000
const MOST_OF_A_LINE = 2000

type Which = { step: string | undefined; tail: number }

export async function printLogs(
  runs: Runs,
  runId: string,
  { step, tail }: Which,
  io: TriggerIo,
): Promise<number> {
  let lines: string[] = []
  for (const { name, bytes } of await runs.logs(runId)) {
    if (step !== undefined && stepOfLog(name) !== step) continue
    const read = logReader(name)
    const start = Math.max(0, bytes - TAIL_BYTES)
    const end = await logEnd(offset => runs.readLog(runId, name, offset), start)
    // Where it is cut, a line may have lost its beginning.
    const whole = read(end).slice(start === 0 ? 0 : 1)
    for (const { text } of whole)
      lines.push(`${printable(stepOfLog(name))} | ${printable(text).slice(0, MOST_OF_A_LINE)}\n`)
    lines = lastOf(lines, tail)
  }
  io.out(lines.join(''))
  if (lines.length === 0) io.err(`no step of ${printable(runId)} has printed anything\n`)
  return EXIT_OK
}

async function logEnd(read: (offset: number) => Promise<Buffer>, start: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for (let offset = start; offset < start + 2 * TAIL_BYTES; ) {
    const chunk = await read(offset)
    if (chunk.length === 0) break
    chunks.push(chunk)
    offset += chunk.length
  }
  return Buffer.concat(chunks)
}

/** Whole lines only: what is left of a line could pass for another. */
function lastOf(lines: readonly string[], tail: number): string[] {
  const kept: string[] = []
  let room = MOST_CHARACTERS
  for (const line of lines.slice(-tail).reverse()) {
    room -= line.length
    if (room < 0) break
    kept.unshift(line)
  }
  return kept
}
