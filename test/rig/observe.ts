/** What the kernel says about a process, and waiting for something to become true. */
import { readdirSync, readFileSync } from 'node:fs'

export const rssKib = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

/** The most that it ever had. */
export const peakRssKib = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

export const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

/** False for a zombie: it has ended, and only its parent has not looked yet. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** By a signal: until then one that lets it go on is lost. */
export function isStopped(pid: number): boolean {
  try {
    return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(name => parentOf(name) === pid)
    .map(Number)
}

function parentOf(pid: string): number | null {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return null
  }
}

/** Polls until the condition holds; throws with its last value when it never does. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 20_000) {
  const deadline = Date.now() + limitMs
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** What the daemon may keep open between commands: pipes at hand for the ones to come (src/process/pipe.ts). */
export const PIPES_AT_HAND = 64
