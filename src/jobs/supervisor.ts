/** Starts the process that looks after one job. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Writable } from 'node:stream'
import { packagePath } from '../build/package-path.ts'
import { type JobSpec, SPARE } from './job-spec.ts'

export const findSupervisor = (): string => packagePath('dist/hostlink-supervise.js')

/**
 * Resolves once the process exists; rejects with the system's reason when it cannot. It has its own session and
 * nothing of ours open, so that it does not notice when this process ends. `onExit` tells while this one lives.
 */
export async function startSupervisor(file: string, folder: string, spec: JobSpec, onExit: () => void) {
  const child = begin(file, folder)
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  entrust(child, JSON.stringify(spec), onExit)
}

/** A supervisor that was begun before there is a job for it, because its start is most of what a short one waits for. */
type Spare = {
  prepare(): void
  /** False when there is none that waits. */
  entrust(folder: string, spec: JobSpec, onExit: () => void): boolean
  /** It goes when it was not needed, as it does when this process ends. */
  close(): void
}

export function openSpare(file: string): Spare {
  let spare: Supervisor | null = null
  const waits = (child: Supervisor) =>
    child.pid !== undefined && child.exitCode === null && child.signalCode === null
  return {
    prepare: () => {
      if (spare !== null && waits(spare)) return
      spare = begin(file, SPARE)
      // Then there is none, and who needs one is told by its own start.
      spare.on('error', () => {})
      spare.stdin.on('error', () => {})
      spare.unref()
    },
    entrust: (folder, spec, onExit) => {
      const child = spare
      spare = null
      if (child === null || !waits(child)) return false
      entrust(child, `${folder}\n${JSON.stringify(spec)}`, onExit)
      return true
    },
    close: () => {
      spare?.stdin.end()
      spare = null
    },
  }
}

type Supervisor = ChildProcessByStdio<Writable, null, null>

const begin = (file: string, work: string): Supervisor =>
  spawn(process.execPath, [file, work], {
    cwd: '/',
    detached: true,
    env: {},
    stdio: ['pipe', 'ignore', 'ignore'],
  })

function entrust(child: Supervisor, what: string, onExit: () => void): void {
  child.once('exit', onExit)
  child.unref()
  // A supervisor that ended early does not read; its end tells.
  child.stdin.on('error', () => {})
  child.stdin.end(what)
}
