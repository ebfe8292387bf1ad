/** Starts a process alone in a session of its own, or says why it did not start. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { openPipes, type Pipes } from './pipe.ts'
import { type FolderId, openWorkdir } from './workdir.ts'

export type ProcessSpec = {
  /** The program (looked up in the PATH of `env`) and its arguments; no shell takes part. */
  argv: readonly string[]
  /** The file to execute where it is not to be looked up by the first word, which stays the program's name. */
  file?: string | undefined
  /** The whole environment: nothing is inherited. */
  env: Readonly<Record<string, string>>
  cwd?: string | undefined
  /** The folder that `cwd` was when it was judged: another one is not entered. */
  cwdIs?: FolderId | undefined
  timeoutMs?: number | undefined
  /** Called before any output; must not throw. */
  onStart?: ((pid: number) => void) | undefined
}

export type Started = {
  readonly child: ChildProcess
  readonly pid: number
  readonly stdout: Readable
  readonly stderr: Readable
}

/** Nothing ran. `program`: not found or not executable; `system`: no memory, too many arguments, ... */
export type NotStarted = { how: 'not-started'; what: 'workdir' | 'program' | 'system'; errno: string }

const CHILD_UMASK = 0o022
const NOT_FOUND = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']
const NOT_EXECUTABLE = ['EACCES', 'EPERM', 'ENOEXEC', 'ELOOP', 'EISDIR', 'ETXTBSY', 'ELIBBAD']

/** Once `isUnwanted` answers true, nothing is started any more. */
export async function startAlone(
  spec: ProcessSpec,
  isUnwanted: () => boolean,
): Promise<Started | NotStarted | 'unwanted'> {
  const workdir = await openWorkdir(spec.cwd, spec.cwdIs)
  if (typeof workdir === 'string') return { how: 'not-started', what: 'workdir', errno: workdir }
  try {
    return isUnwanted() ? 'unwanted' : await startIn(workdir.path, spec, isUnwanted)
  } finally {
    workdir.close()
  }
}

async function startIn(
  cwd: string | undefined,
  spec: ProcessSpec,
  isUnwanted: () => boolean,
): Promise<Started | NotStarted | 'unwanted'> {
  const pipes = await openPipes()
  const child = isUnwanted() ? null : spawnAlone({ ...spec, cwd }, pipes)
  if (pipes) for (const { writeFd } of [pipes.stdout, pipes.stderr]) closeSync(writeFd)
  const spawned = child === null || typeof child === 'string' ? null : child
  const stdout = pipes?.stdout.reader ?? spawned?.stdout
  const stderr = pipes?.stderr.reader ?? spawned?.stderr
  if (spawned?.pid !== undefined && stdout && stderr)
    return { child: spawned, pid: spawned.pid, stdout, stderr }

  for (const stream of [stdout, stderr]) stream?.destroy()
  if (child === null) return 'unwanted'
  return notStarted(typeof child === 'string' ? child : await spawnFault(child))
}

/** What a shell would have exited with: 127 not found, 126 found but not executable. */
export const startFailureCode = (errno: string): 126 | 127 => (NOT_FOUND.includes(errno) ? 127 : 126)

/** A child, or the name of the error that kept it from starting. */
function spawnAlone(spec: ProcessSpec, pipes: Pipes | null): ChildProcess | string {
  const [argv0, ...args] = spec.argv
  const file = spec.file ?? argv0
  if (!file) return 'ENOENT'
  const umask = process.umask(CHILD_UMASK)
  try {
    return spawn(file, args, {
      argv0,
      cwd: spec.cwd,
      env: spec.env,
      // A session of its own: no terminal of ours, and a group that can be told as a whole.
      detached: true,
      stdio: ['ignore', pipes?.stdout.writeFd ?? 'pipe', pipes?.stderr.writeFd ?? 'pipe'],
    })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EINVAL'
  } finally {
    process.umask(umask)
  }
}

function spawnFault(child: ChildProcess): Promise<string> {
  return new Promise(resolve => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'EINVAL'))
  })
}

function notStarted(errno: string): NotStarted {
  const isProgram = NOT_FOUND.includes(errno) || NOT_EXECUTABLE.includes(errno)
  return { how: 'not-started', what: isProgram ? 'program' : 'system', errno }
}
