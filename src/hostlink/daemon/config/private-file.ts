/** Reads a small file that decides who may do what, and checks that only the right people can change or read it. */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs'
import { systemError, systemReason } from '../../../process/system-error.ts'
import type { Problem } from './problem.ts'

type Trust = {
  /** Besides its owner: nobody, one group, any one group, or everybody. */
  readonly mayBeRead: number | 'any' | 'by all' | null
  readonly what: keyof typeof MOST_BYTES
}

type PrivateFile = { text: string; stats: Stats; warnings: Problem[] } | { problem: Problem; code?: string }

const MOST_BYTES = { token: 4096, policy: 1024 * 1024, config: 1024 * 1024 }

export function readPrivateFile(file: string, trust: Trust): PrivateFile {
  try {
    // Not to hang on a FIFO.
    const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stats = fstatSync(fd)
      const problem = unfit(file, stats, trust)
      if (problem !== null) return { problem }
      const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(fd))
      if (text.includes('\0')) return { problem: { file, reason: 'is not a text file' } }
      return { text, stats, warnings: doubts(file, stats) }
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    if (error instanceof TypeError) return { problem: { file, reason: 'is not a text file' } }
    return { problem: { file, reason: systemReason(error) }, code: systemError(error).code }
  }
}

function unfit(file: string, stats: Stats, { mayBeRead, what }: Trust): Problem | null {
  if (!stats.isFile())
    return { file, reason: stats.isDirectory() ? 'is a directory' : 'is not a regular file' }
  if (stats.size > MOST_BYTES[what])
    return { file, reason: `has ${stats.size} bytes, a ${what} has at most ${MOST_BYTES[what]}` }
  const changeable = changeableByOthers(file, stats)
  if (changeable !== null) return changeable
  if (mayBeRead === 'by all') return null
  if ((stats.mode & 0o004) !== 0) {
    return { file, reason: 'can be read by every user of this machine', hint: `chmod o-r ${file}` }
  }
  if ((stats.mode & 0o060) !== 0 && mayBeRead !== 'any' && mayBeRead !== stats.gid) {
    const hint = `chmod 0600 ${file}, or allow it: unix_group in hostlink.conf, group_readable: true in a policy`
    return { file, reason: `can be read or changed by group ${stats.gid}`, hint }
  }
  return null
}

/** By others than its owner, root, and our own group, which is nobody else's on most systems. */
export function changeableByOthers(path: string, { mode, gid }: Stats): Problem | null {
  if ((mode & 0o002) !== 0) {
    return { file: path, reason: 'can be changed by every user of this machine', hint: `chmod o-w ${path}` }
  }
  // Those whom a policy limits are often in that very group.
  if ((mode & 0o020) !== 0 && gid !== 0 && gid !== process.getegid?.()) {
    return { file: path, reason: `can be changed by group ${gid}`, hint: `chmod g-w ${path}` }
  }
  return null
}

function doubts(file: string, stats: Stats): Problem[] {
  const self = process.geteuid?.()
  const found: Problem[] = []
  if (stats.uid !== 0 && self !== undefined && stats.uid !== self) {
    found.push({ file, reason: `belongs to uid ${stats.uid}, who can change it`, hint: `chown root ${file}` })
  }
  if ((stats.mode & 0o020) !== 0)
    found.push({ file, reason: 'can be changed by its group', hint: `chmod g-w ${file}` })
  return found
}
