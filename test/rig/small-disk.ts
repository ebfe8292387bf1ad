/** A disk of its own for a folder, so small that it can be filled. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { notTested } from './not-tested.ts'

export type SmallDisk = ReturnType<typeof mount>

/** Null, and said so, where nothing can be mounted. */
export function smallDisk(folder: string, size: string): SmallDisk | null {
  try {
    mkdirSync(folder, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', folder], { stdio: 'pipe' })
  } catch (error) {
    notTested(`a small disk cannot be mounted here (${(error as Error).message.trim()})`)
    return null
  }
  return mount(folder)
}

function mount(folder: string) {
  const file = join(folder, 'fill')
  return {
    /** To the last byte, but for `left`. */
    fill(left = 0) {
      execFileSync('sh', ['-c', `dd if=/dev/zero of='${file}' bs=1k 2>/dev/null || true`])
      if (left > 0) execFileSync('truncate', ['-s', `-${left}`, file])
    },
    free: () => rmSync(file, { force: true }),
    makeReadOnly: () => execFileSync('mount', ['-o', 'remount,ro', folder]),
    unmount: () => execFileSync('umount', ['-l', folder]),
  }
}
