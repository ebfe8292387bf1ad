/** Starts the process that looks after one job. */
import { packagePath } from '../build/package-path.ts'
import { type Outliving, startOutliving } from '../process/outlive.ts'
import { type JobSpec, SPARE } from './job-spec.ts'

export const findSupervisor = (): string => packagePath('dist/hostlink-supervise.js')

/**
 * Resolves once the process exists; rejects with the system's reason when it cannot. It has its own session and
 * nothing of ours open, so that it does not notice when this process ends. `onExit` tells while this one lives.
 */
export async function startSupervisor(file: string, folder: string, spec: JobSpec, onExit: () => void) {
  const started = startOutliving([file, folder])
  await new Promise<void>((resolve, reject) => {
    started.child.once('spawn', resolve)
    started.child.once('error', reject)
  })
  entrust(started, JSON.stringify(spec), onExit)
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
  let spare: Outliving | null = null
  const waits = ({ child, isBehind }: Outliving) =>
    child.pid !== undefined &&
    (isBehind ? child.stdin.writable : child.exitCode === null && child.signalCode === null)
  return {
    prepare: () => {
      if (spare !== null && waits(spare)) return
      spare = startOutliving([file, SPARE])
      const { child } = spare
      // Then there is none, and who needs one is told by its own start.
      child.on('error', () => {})
      child.stdin.on('error', () => {})
      child.unref()
    },
    entrust: (folder, spec, onExit) => {
      const started = spare
      spare = null
      if (started === null || !waits(started)) return false
      entrust(started, `${folder}\n${JSON.stringify(spec)}`, onExit)
      return true
    },
    close: () => {
      spare?.child.stdin.end()
      spare = null
    },
  }
}

/** The end of a supervisor behind another process is reported to nobody, so each question looks for it. */
function entrust({ child, isBehind }: Outliving, what: string, onExit: () => void): void {
  if (isBehind) onExit()
  else child.once('exit', onExit)
  child.unref()
  // A supervisor that ended early does not read; its end tells.
  child.stdin.on('error', () => {})
  child.stdin.end(what)
}
