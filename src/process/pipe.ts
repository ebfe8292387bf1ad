/**
 * Pipes for the output of children. Node gives its children sockets instead, on which `echo >/dev/stderr` fails
 * ("No such device or address"); scripts do that. Node has no pipe(2), but it can open FIFOs.
 */

import { spawn } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmdirSync, unlinkSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IS_LINUX } from './platform.ts'
import { quietly } from './quietly.ts'

type Pipe = {
  /** Its chunks are lent: what is read next is written over them. */
  readonly reader: Socket
  /** For the child; to be closed here as soon as the child has it. */
  readonly writeFd: number
}

export type Pipes = { readonly stdout: Pipe; readonly stderr: Pipe }

/** Without a name, held by a descriptor that neither reads nor writes; with the memory that its output is read into. */
type Fifo = { readonly fd: number; buffer: Buffer | null }

/** A cache: it decides nothing. */
const idle: Fifo[] = []
const MOST_IDLE = 64
const MADE_AT_ONCE = 16
const READ_BYTES = 64 * 1024
/** O_PATH of Linux, which Node does not name. */
const HOLD_ONLY = 0o10000000
let making: Promise<void> | null = null
let isOffered = IS_LINUX

/** Null where there are none: then Node's own sockets have to do. */
export async function openPipes(): Promise<Pipes | null> {
  while (isOffered && idle.length < 2) await preparePipes()
  if (!isOffered) return null
  const stdout = openPipe(idle.pop())
  const stderr = stdout && openPipe(idle.pop())
  if (stdout && stderr) return { stdout, stderr }
  if (stdout) {
    closeSync(stdout.writeFd)
    stdout.reader.destroy()
  }
  return null
}

/** Makes pipes for the processes to come, so that the first of them need not wait. */
export function preparePipes(): Promise<void> {
  if (!isOffered) return Promise.resolve()
  making ??= makeFifos().finally(() => {
    making = null
  })
  return making
}

function openPipe(fifo: Fifo | undefined): Pipe | null {
  if (fifo === undefined) return null
  const path = `/proc/self/fd/${fifo.fd}`
  let readFd: number | null = null
  try {
    readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const writeFd = openSync(path, constants.O_WRONLY)
    fifo.buffer ??= Buffer.allocUnsafeSlow(READ_BYTES)
    const callback = (bytes: number, { buffer, byteOffset }: Uint8Array) => {
      reader.emit('data', Buffer.from(buffer, byteOffset, bytes))
      return true
    }
    const onread = { buffer: fifo.buffer, callback }
    const reader: Socket = new Socket(
      withoutPrototype({ fd: readFd, readable: true, writable: false, onread }),
    )
    let isDrained = false
    reader.once('end', () => {
      isDrained = true
    })
    // Once nobody writes to it or reads from it, a FIFO is as good as new. Others belong to whom they were left to.
    reader.once('close', () => {
      if (isDrained && idle.length < MOST_IDLE && hasNoReader(path)) idle.push(fifo)
      else closeSync(fifo.fd)
    })
    return { reader, writeFd }
  } catch {
    if (readFd !== null) closeSync(readFd)
    closeSync(fifo.fd)
    return null
  }
}

/**
 * Node copies what its sockets are made with and sets more on the copy. V8 before Node 22 gives each such copy a
 * hidden class of its own, which nothing is compiled for and which only a full garbage collection takes away; a copy
 * of an object without a prototype it makes the plain way.
 */
const withoutPrototype = <T extends object>(options: T): T =>
  Object.assign(Object.create(null) as object, options)

/** A process that a command left behind may have opened its own output for reading, and would take the next one's. */
function hasNoReader(path: string): boolean {
  const { stackTraceLimit } = Error
  // The answer is an error nearly always, and nobody looks at where it comes from.
  Error.stackTraceLimit = 0
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK))
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENXIO'
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** They have names only while they are made. */
async function makeFifos(): Promise<void> {
  let folder: string | null = null
  let paths: string[] = []
  try {
    const made = mkdtempSync(join(tmpdir(), 'hostlink-'))
    folder = made
    paths = Array.from({ length: MADE_AT_ONCE }, (_, n) => join(made, String(n)))
    const code = await new Promise(resolve => {
      const child = spawn('mkfifo', ['-m', '600', ...paths], { stdio: 'ignore' })
      child.once('error', resolve)
      child.once('exit', resolve)
    })
    if (code !== 0) throw new Error('mkfifo failed')
    for (const path of paths) idle.push({ fd: openSync(path, HOLD_ONLY), buffer: null })
    // Some systems let nobody open a FIFO through its descriptor: after giving up root, for one.
    closeSync(openSync(`/proc/self/fd/${idle[0]?.fd}`, constants.O_RDONLY | constants.O_NONBLOCK))
  } catch {
    isOffered = false
    for (const { fd } of idle.splice(0)) closeSync(fd)
  } finally {
    if (folder !== null) removeFolder(folder, paths)
  }
}

/** File by file: Node loads a program of its own to remove whole trees, and a short run would wait for it. */
function removeFolder(folder: string, paths: readonly string[]): void {
  for (const path of paths) quietly(() => unlinkSync(path))
  quietly(() => rmdirSync(folder))
}
