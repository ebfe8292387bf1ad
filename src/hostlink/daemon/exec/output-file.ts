/** Output files: made anew, readable by the daemon's user only, wherever a request's id would point. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../../../process/make-folder.ts'
import type { OutputSink } from '../../../process/output.ts'

type OutputFile = { readonly path: string; readonly sink: OutputSink; close(): Promise<void> }
export type OutputFiles = { readonly stdout: OutputFile; readonly stderr: OutputFile }

const FRESH = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW
const TAME_ID = /^[A-Za-z0-9._-]{1,64}$/
const ATTEMPTS = 3

/** Throws the system's error when the folder does not let us. */
export async function openOutputFiles(folder: string, id: string): Promise<OutputFiles> {
  makeFolder(folder, 0o700)
  const random = () => randomBytes(6).toString('hex')
  for (let attempt = 1; ; attempt++) {
    const tame = TAME_ID.test(id) ? (attempt === 1 ? id : `${id}-${random()}`) : random()
    try {
      return await openPair(join(folder, `hl_${tame}`))
    } catch (error) {
      const isTaken = ['EEXIST', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')
      if (!isTaken || attempt === ATTEMPTS) throw error
    }
  }
}

async function openPair(base: string): Promise<OutputFiles> {
  const stdout = await openFile(`${base}_stdout`)
  try {
    return { stdout, stderr: await openFile(`${base}_stderr`) }
  } catch (error) {
    await stdout.close()
    await unlink(stdout.path)
    throw error
  }
}

async function openFile(path: string): Promise<OutputFile> {
  const handle = await open(path, FRESH, 0o600)
  return { path, sink: chunk => writeAll(handle, chunk), close: () => handle.close() }
}

async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  for (let rest = chunk; rest.length > 0; ) {
    const { bytesWritten } = await handle.write(rest)
    rest = rest.subarray(bytesWritten)
  }
}
