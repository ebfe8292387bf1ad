/**
 * The file of one value, or of all: regular ones, devices, and pipes as the shell's `<(...)` makes them. Never waits in a
 * call that no signal gets through to.
 */
import { constants, promises } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

type InputText = { ok: true; text: string } | { ok: false; problem: string }

const LOOK_EVERY_MS = 20
/** A pipe with a name may be opened before its writer comes. */
const WRITER_COMES_WITHIN_MS = 10_000

/** Reads at most one byte more than allowed, so that /dev/zero is as harmless as a large file. */
export async function readInputFile(path: string, limit: number): Promise<InputText> {
  let file: FileHandle | undefined
  try {
    file = await promises.open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const buffer = Buffer.alloc(limit + 1)
    const length = await fill(buffer, file, await isNamedPipe(path))
    if (length === null)
      return { ok: false, problem: `nobody wrote to this pipe within ${WRITER_COMES_WITHIN_MS / 1000}s` }
    if (length > limit) return { ok: false, problem: `holds more than ${limit / 1024} KiB` }
    const text = buffer.toString('utf8', 0, length)
    if (text.includes('\ufffd')) return { ok: false, problem: 'is not UTF-8 text' }
    return { ok: true, text }
  } catch (error) {
    const code = codeOf(error)
    return { ok: false, problem: PROBLEMS[code] ?? `cannot be read (${code})` }
  } finally {
    await file?.close()
  }
}

/** How much there was; null when nobody came to write it. */
async function fill(buffer: Buffer, file: FileHandle, mayStillOpen: boolean): Promise<number | null> {
  const latest = performance.now() + WRITER_COMES_WITHIN_MS
  for (let length = 0; ; ) {
    const read = await readSome(buffer.subarray(length), file)
    length += read ?? 0
    if (length === buffer.length) return length
    if (read !== null && read > 0) continue
    const isAwaited = mayStillOpen && length === 0
    if (read === 0 && !isAwaited) return length
    if (read === 0 && performance.now() > latest) return null
    await sleep(LOOK_EVERY_MS)
  }
}

/** Null where there is nothing yet. */
async function readSome(into: Buffer, file: FileHandle): Promise<number | null> {
  try {
    return (await file.read(into, 0, into.length, null)).bytesRead
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return null
    throw error
  }
}

/** `/dev/fd/63` leads to a pipe without a name, whose writer is there or has been. */
const isNamedPipe = (path: string): Promise<boolean> =>
  promises
    .realpath(path)
    .then(promises.lstat)
    .then(
      stat => stat.isFIFO(),
      () => false,
    )

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code)

const PROBLEMS: Record<string, string> = {
  ENOENT: 'there is no such file',
  EISDIR: 'is a folder',
  EACCES: 'may not be read',
}
