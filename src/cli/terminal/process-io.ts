/** The real process behind `Io`. A reader that goes away, or a terminal that is closed, must not end a run. */
import type { Io, Sink } from './io.ts'

export function processIo(): Io {
  return {
    stdout: sink(process.stdout),
    stderr: sink(process.stderr),
    env: process.env,
    cwd: currentFolder(),
    fault: fault(),
  }
}

/**
 * Resolves once all that was written has left the process, or cannot any more: with why what was written to stdout did
 * not arrive. A reader that went away has read what it wanted.
 */
export async function closeStreams(): Promise<string | null> {
  await Promise.all([drained(process.stdout), drained(process.stderr)])
  const error: NodeJS.ErrnoException | null = process.stdout.errored
  return error === null || error.code === 'EPIPE' ? null : error.message
}

function sink(stream: NodeJS.WriteStream): Sink {
  stream.on('error', () => {})
  return {
    write: text => {
      if (stream.writable) stream.write(text)
    },
    get isTTY() {
      return stream.isTTY === true
    },
    columns: () => stream.columns ?? 80,
    rows: () => stream.rows ?? 24,
  }
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  if (!stream.writable || stream.writableLength === 0) return Promise.resolve()
  return new Promise(resolve => {
    stream.once('error', () => resolve())
    stream.once('close', () => resolve())
    stream.write('', () => resolve())
  })
}

/** The folder may have been removed under us. */
function currentFolder(): string {
  try {
    return process.cwd()
  } catch {
    return '/'
  }
}

function fault(): Promise<never> {
  const caught = new Promise<never>((_, reject) => {
    process.on('uncaughtException', reject)
    process.on('unhandledRejection', reject)
  })
  caught.catch(() => {})
  return caught
}
