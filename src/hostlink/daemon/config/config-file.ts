/** Reads hostlink.conf, which decides who may do what as whom: only the right people can change it. */
import { type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { type ConfigResult, parseConfig, place } from './config.ts'
import { changeableByOthers, readPrivateFile } from './private-file.ts'
import type { Problem } from './problem.ts'

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'write one with: hostlinkd init',
  EACCES: 'use sudo, or name a config of your own: -c FILE',
}

export function loadConfig(file: string): ConfigResult {
  const read = readPrivateFile(file, { mayBeRead: 'by all', what: 'config' })
  if ('problem' in read) {
    const { hint = HINTS[read.code ?? ''] } = read.problem
    return { problems: [{ ...read.problem, hint }] }
  }
  const unfit = foreign(file, read.stats) ?? inOpenFolder(file)
  if (unfit !== null) return { problems: [unfit] }
  const result = parseConfig(read.text, file)
  if ('problems' in result) return result
  const { config, warnings } = result
  const isOpen = config.authToken !== null && (read.stats.mode & 0o044) !== 0
  const readable: Problem = {
    ...place(config, 'auth_token'),
    reason: 'is in a file that other users can read',
    hint: `chmod 0600 ${file}, or move it to a file of its own with auth_token_file`,
  }
  return { config, warnings: [...warnings, ...(isOpen ? [readable] : []), ...read.warnings] }
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
