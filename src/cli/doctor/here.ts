/** What the machine needs that hostops itself runs on. */
import { accessSync, constants, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bad, type Finding, good } from './finding.ts'

const NODE_LEAST = [20, 19] as const
const STATE_LEAST_BYTES = 100 * 1024 ** 2

export function checkHere(state: string): Finding[] {
  return [checkNode(process.versions.node), checkState(state)]
}

function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [least, leastMinor] = NODE_LEAST
  return major > least || (major === least && minor >= leastMinor)
    ? good('node', version)
    : bad('node', version, `install Node ${least}.${leastMinor} or newer: https://nodejs.org/en/download`)
}

/** Tried in the nearest folder that exists; nothing is left behind. */
function checkState(state: string): Finding {
  let folder = state
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder)
  try {
    if (folder === state) rmSync(mkdtempSync(join(folder, '.doctor-')), { recursive: true })
    else accessSync(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    return bad(
      'state folder',
      `${state}: ${(error as Error).message}`,
      `mkdir -p ${state} && chmod u+rwx ${state}, or set HOSTOPS_STATE_DIR`,
    )
  }
  const { bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  return free >= STATE_LEAST_BYTES
    ? good('state folder', `${state} is writable, ${bytes(free)} free`)
    : bad(
        'state folder',
        `${state} has only ${bytes(free)} free`,
        'make room there, or set HOSTOPS_STATE_DIR',
      )
}

export function bytes(n: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let at = 0
  let rest = n
  while (rest >= 1000 && at < units.length - 1) {
    rest /= 1000
    at += 1
  }
  return `${at === 0 ? rest : rest.toFixed(1)} ${units[at]}`
}
