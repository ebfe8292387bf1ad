#!/usr/bin/env node
import { readFileSync, write, writeSync } from 'node:fs'
import { runClient } from '../hostlink/cli/cli.ts'
import { clientExitCode, type InterruptSignal, SIGNAL_CODES } from '../hostlink/cli/exit-code.ts'
import type { ClientIo } from '../hostlink/cli/io.ts'

const SIGNALS: readonly InterruptSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
const DESCRIPTORS = { stdout: 1, stderr: 2 } as const
/** A stdout that is another program's non-blocking pipe says EAGAIN when it is full. */
const FULL_PIPE_PAUSE_MS = 5
/** A write that is not done after this long has no reader. */
const STUCK_MS = 100

/** Writes of live output that nobody has taken yet. */
let writing = 0

const io: ClientIo = {
  args: process.argv.slice(2),
  env: process.env,
  readFile: path => {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
  },
  write: (stream, data) => writeAll(DESCRIPTORS[stream], data),
  onSignal: handler => {
    for (const signal of SIGNALS) process.on(signal, handler)
    return () => {
      for (const signal of SIGNALS) process.off(signal, handler)
    }
  },
}

// Everything is written when main settles, so nothing is cut off here.
runClient(io).then(
  code => leave(code),
  error => {
    process.stderr.write(`hostlink: internal error: ${error instanceof Error ? error.message : error}\n`)
    process.exit(clientExitCode({ kind: 'usage' }, process.env['HOSTLINK_EXIT_CODES'] === 'passthrough'))
  },
)

/** A write that nobody takes would hold up process.exit for ever; the signal that asked us to leave does not wait. */
async function leave(code: number): Promise<void> {
  if (writing > 0) await new Promise(resolve => setTimeout(resolve, STUCK_MS))
  if (writing > 0)
    for (const signal of SIGNALS) if (code === SIGNAL_CODES[signal]) process.kill(process.pid, signal)
  process.exit(code)
}

/**
 * Text is what ends a run: written at once, no signal is caught any more. Bytes are live output: written beside
 * the event loop, because a reader that is slow must not keep Ctrl-C from being heard.
 */
async function writeAll(descriptor: number, text: string | Uint8Array): Promise<boolean> {
  let rest = typeof text === 'string' ? Buffer.from(text) : text
  while (rest.length > 0) {
    try {
      rest = rest.subarray(
        typeof text === 'string' ? writeSync(descriptor, rest) : await written(descriptor, rest),
      )
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EPIPE') return false
      if (code !== 'EAGAIN') throw error
      await new Promise(resolve => setTimeout(resolve, FULL_PIPE_PAUSE_MS))
    }
  }
  return true
}

function written(descriptor: number, bytes: Uint8Array): Promise<number> {
  writing += 1
  return new Promise((resolve, reject) =>
    write(descriptor, bytes, (error, count) => {
      writing -= 1
      if (error) reject(error)
      else resolve(count)
    }),
  )
}
