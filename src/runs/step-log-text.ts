/**
 * The log of a step, `steps/NNN-<step id>.ndjson`: a line `[milliseconds since 1970, phase, stream, text]` for each line
 * that it printed. Logs of older versions are plain text, `steps/NNN-<step id>.log`. Pure.
 */
import { StringDecoder } from 'node:string_decoder'
import * as z from 'zod'
import type { Phase } from '../engine/events.ts'

/** `phase`: null where no phase of the step said it. */
export type LogLine = {
  at: number
  phase: Phase | null
  stream: 'stdout' | 'stderr' | 'said'
  text: string
}

export const logLine = ({ at, phase, stream, text }: LogLine): string =>
  `${JSON.stringify([at, phase, stream, text])}\n`

/** Those that older versions wrote came first. */
export function logsInOrder(names: readonly string[]): string[] {
  const [older, newer] = ['.log', '.ndjson'].map(end => names.filter(name => name.endsWith(end)).sort())
  return [...older!, ...newer!]
}

/** `002-git.fetch.ndjson` */
export const stepOfLog = (name: string): string => name.replace(/^\d+-|\.(log|ndjson)$/g, '')

/** Takes the bytes of the log with this name as they come, and answers with its whole lines. What cannot be read is told as it is. */
export function logReader(name: string): (bytes: Buffer) => (LogLine | { text: string })[] {
  const decoder = new StringDecoder('utf8')
  const isPlain = name.endsWith('.log')
  let rest = ''
  return bytes => {
    const lines = (rest + decoder.write(bytes)).split('\n')
    rest = lines.pop() ?? ''
    return lines.filter(line => isPlain || line !== '').map(line => (isPlain ? { text: line } : parsed(line)))
  }
}

const schema = z.tuple([z.number(), z.string().nullable(), z.enum(['stdout', 'stderr', 'said']), z.string()])

function parsed(line: string): LogLine | { text: string } {
  try {
    const [at, phase, stream, text] = schema.parse(JSON.parse(line))
    return { at, phase, stream, text }
  } catch {
    return { text: line }
  }
}
