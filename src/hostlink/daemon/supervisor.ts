/** Starts the process that looks after one job. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { JobSpec } from './job-spec.ts'

/** Beside the daemon's own bundle or one of its chunks; a daemon that runs from its sources uses the built one. */
const PLACES = ['./hostlink-supervise.js', '../hostlink-supervise.js', '../../../dist/hostlink-supervise.js']

export function findSupervisor(): string {
  const files = PLACES.map(place => fileURLToPath(new URL(place, import.meta.url)))
  return files.find(file => existsSync(file)) ?? files[0]!
}

/**
 * Resolves once the process exists; rejects with the system's reason when it cannot. It has its own session and
 * nothing of ours open, so that it does not notice when this process ends. `onExit` tells while this one lives.
 */
export async function startSupervisor(file: string, folder: string, spec: JobSpec, onExit: () => void) {
  const child = spawn(process.execPath, [file, folder], {
    cwd: '/',
    detached: true,
    env: {},
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  child.once('exit', onExit)
  child.unref()
  // A supervisor that ended early does not read; its end tells.
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(spec))
}
