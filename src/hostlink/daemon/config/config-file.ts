/** Reads hostlink.conf, which decides who may do what as whom: only the right people can change it. */
import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { systemReason } from '../../../process/system-error.ts'
import { type Config, type ConfigResult, parseConfig, place } from './config.ts'
import { changeableByOthers } from './private-file.ts'
import type { Problem } from './problem.ts'

const MAX_CONFIG_BYTES = 1024 * 1024
const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'write one with: hostlinkd init',
  EACCES: 'use sudo, or name a config of your own: -c FILE',
}

export function loadConfig(file: string): ConfigResult {
  let stats: Stats
  let text: string
  try {
    const fd = openSync(file, 'r')
    try {
      stats = fstatSync(fd)
      const unfit = unfitFile(file, stats)
      if (unfit !== null) return { problems: [unfit] }
      text = readText(fd, stats.size)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    const reason = error instanceof TypeError ? 'is not a text file' : systemReason(error)
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const hint = HINTS[code]
    return { problems: [{ file, reason, ...(hint === undefined ? {} : { hint }) }] }
  }
  const result = parseConfig(text, file)
  if ('problems' in result) return result
  return { config: result.config, warnings: [...result.warnings, ...looseModes(result.config, stats)] }
}

function unfitFile(file: string, stats: Stats): Problem | null {
  if (!stats.isFile())
    return { file, reason: stats.isDirectory() ? 'is a directory' : 'is not a regular file' }
  if (stats.size > MAX_CONFIG_BYTES)
    return { file, reason: `has ${stats.size} bytes; a config has at most ${MAX_CONFIG_BYTES}` }
  return changeableByOthers(file, stats) ?? foreign(file, stats) ?? inOpenFolder(file)
}

/** Its owner chooses as whom commands run, and that may be root. */
function foreign(file: string, { uid }: Stats): Problem | null {
  const self = process.geteuid?.()
  if (uid === 0 || self === undefined || uid === self) return null
  return { file, reason: `belongs to uid ${uid}, who can change it`, hint: `chown root ${file}` }
}

/** Who can change the folder can put another file in this one's place; in a sticky one only its owner can. */
function inOpenFolder(file: string): Problem | null {
  const folder = dirname(file)
  const stats = statSync(folder)
  const unfit = (stats.mode & STICKY) === 0 ? changeableByOthers(folder, stats) : null
  return unfit && { ...unfit, file, reason: `its folder ${folder} ${unfit.reason}` }
}

const STICKY = 0o1000

function readText(fd: number, size: number): string {
  const bytes = Buffer.alloc(size)
  let filled = 0
  while (filled < size) {
    const got = readSync(fd, bytes, filled, size - filled, filled)
    if (got === 0) break
    filled += got
  }
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, filled))
}

function looseModes(config: Config, stats: Stats): Problem[] {
  const { file } = config
  const found: Problem[] = []
  if (config.authToken !== null && (stats.mode & 0o044) !== 0) {
    found.push({
      ...place(config, 'auth_token'),
      reason: 'is in a file that other users can read',
      hint: `chmod 0600 ${file}, or move it to a file of its own with auth_token_file`,
    })
  }
  if ((stats.mode & 0o020) !== 0) {
    found.push({ file, reason: 'can be changed by its group', hint: `chmod g-w ${file}` })
  }
  return found
}
