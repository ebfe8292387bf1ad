/** A regular file of at most 1 MiB, read as it is; pipes and devices are refused, because they may never end. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { MAX_FILE_BYTES } from './text-file.ts'

export type FileRead = { ok: true; bytes: Buffer } | { ok: false; problem: string; missing: boolean }

/** One byte more than the limit may come back, so that `decode` can say that it is too large. */
export function readFileBounded(path: string): FileRead {
  let descriptor: number | undefined
  try {
    // A pipe that nobody writes to would be waited for.
    descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const stat = fstatSync(descriptor)
    if (stat.isDirectory()) return { ok: false, problem: 'this is a folder', missing: false }
    if (!stat.isFile()) return { ok: false, problem: 'this is no regular file', missing: false }
    const buffer = Buffer.alloc(Math.min(stat.size, MAX_FILE_BYTES + 1))
    const length = readSync(descriptor, buffer, 0, buffer.length, 0)
    return { ok: true, bytes: buffer.subarray(0, length) }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return {
      ok: false,
      problem: PROBLEMS[code ?? ''] ?? `cannot be read (${code})`,
      missing: code === 'ENOENT',
    }
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

const PROBLEMS: Record<string, string> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'this file may not be read',
  EPERM: 'this file may not be read',
  EISDIR: 'this is a folder',
  ELOOP: 'this is a link that leads nowhere',
  ENAMETOOLONG: 'there is no such file',
}
