/** The processes of one scratch folder: those that name it in their words, their environment or their place. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { poll } from './hostops.ts'
import { isRunning } from './observe.ts'

const pids = () => readdirSync('/proc').filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)

/** Those that work on it at this moment: its name stands in their command line. */
export const workingOn = (folder: string): number[] =>
  pids()
    .filter(pid => textOf(pid, 'cmdline').includes(folder))
    .map(Number)
    .filter(isRunning)

/** Ends all of them at once, as a machine that loses its power does: none sees another one go and acts on it. */
export async function killAllOf(folder: string): Promise<void> {
  await poll(() => {
    const stopped = new Set<number>()
    for (let more = allOf(folder); more.length > 0; more = allOf(folder).filter(pid => !stopped.has(pid)))
      for (const pid of more) {
        stopped.add(pid)
        kill(pid, 'SIGSTOP')
      }
    for (const pid of stopped) kill(pid)
    return stopped.size === 0
  })
}

const allOf = (folder: string): number[] =>
  pids()
    .filter(pid => [textOf(pid, 'cmdline'), textOf(pid, 'environ'), placeOf(pid)].join('\n').includes(folder))
    .map(Number)
    .filter(isRunning)

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}

function textOf(pid: string, name: 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1')
  } catch {
    return ''
  }
}

function placeOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return ''
  }
}
