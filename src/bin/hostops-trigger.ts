#!/usr/bin/env node
/** hostops-trigger: the only place of it that ends the process. */
import { writeSync } from 'node:fs'
import { trigger } from '../serve/trigger/trigger.ts'

const PAUSE_MS = 5
const EXIT_FAULT = 70

const io = { out: (text: string) => writeAll(1, text), err: (text: string) => writeAll(2, text) }

trigger(process.argv.slice(2), process.env, io).then(
  code => process.exit(code),
  (error: unknown) => {
    io.err(`error: a fault in hostops-trigger itself: ${error instanceof Error ? error.stack : error}\n`)
    process.exit(EXIT_FAULT)
  },
)

/** A pipe that is another program's may be full. A reader that went away has read what it wanted. */
function writeAll(descriptor: number, text: string): void {
  for (let rest = Buffer.from(text); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
    }
  }
}
