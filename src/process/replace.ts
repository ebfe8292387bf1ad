/** New names for files and folders, and their way to the disk. */
import { closeSync, existsSync, fsync, fsyncSync, openSync, renameSync } from 'node:fs'
import { forPlatform } from './platform.ts'

/** What Windows answers while somebody, a virus scanner for one, has one of the two open. */
const IN_USE: ReadonlySet<string> = new Set(['EPERM', 'EACCES', 'EBUSY'])
const LONGEST_MS = 4000
const FIRST_PAUSE_MS = 5
const LONGEST_PAUSE_MS = 200

/** Takes the place of a file that has the name already. */
export const renameOver: (from: string, to: string) => void = forPlatform({
  posix: renameSync,
  windows: (from, to) =>
    patiently(
      () => renameSync(from, to),
      () => false,
    ),
})

/** Fails with EEXIST or ENOTEMPTY when a filled folder has the name already. */
export const renameFolder: (from: string, to: string) => void = forPlatform({
  posix: renameSync,
  windows: (from, to) =>
    patiently(
      () => renameSync(from, to),
      () => existsSync(to),
    ),
})

/** Waits between the tries, because whoever renames has more to do next, and only that file to do it with. */
function patiently(rename: () => void, isTaken: () => boolean): void {
  let pause = FIRST_PAUSE_MS
  for (const deadline = performance.now() + LONGEST_MS; ; ) {
    try {
      rename()
      return
    } catch (error) {
      if (isTaken()) throw Object.assign(new Error('a folder of this name is there'), { code: 'EEXIST' })
      const { code = '' } = error as NodeJS.ErrnoException
      if (!IN_USE.has(code) || performance.now() >= deadline) throw error
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause)
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
  }
}

/** Windows syncs only what is open for writing. */
const FILE_MODE = forPlatform({ posix: 'r', windows: 'r+' })

/** The wait for the disk is nobody's else. */
export async function syncFile(path: string, mode = FILE_MODE): Promise<void> {
  const descriptor = openSync(path, mode)
  try {
    await new Promise<void>((resolve, reject) => {
      fsync(descriptor, error => (error ? reject(error) : resolve()))
    })
  } finally {
    closeSync(descriptor)
  }
}

/** Where a file system does not let a folder be synced, these throw; what was renamed in it is so all the same. */
export const syncFolderSoon = forPlatform({
  posix: (folder: string): Promise<void> => syncFile(folder, 'r'),
  // Nothing can sync a folder there: the names in it are in the file system's own journal.
  windows: async () => {},
})

export const syncFolder = forPlatform({
  posix: (folder: string): void => {
    const descriptor = openSync(folder, 'r')
    try {
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  },
  windows: () => {},
})
