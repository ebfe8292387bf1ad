/** Starts a process alone in a session of its own, or says why it did not start. */
import type { ChildProcess } from 'node:child_process'
import { closeSync } from 'node:fs'
import type { Readable } from 'node:stream'
import type { ProcessIdentity } from './known-process.ts'
import { openPipes } from './pipe.ts'
import { forPlatform } from './platform.ts'
import { spawnPosix } from './spawn-posix.ts'
import { spawnWindows, UNSAFE_WORDS } from './spawn-windows.ts'
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
  /** Called before any output, with the process as it can be known later; must not throw. */
  onStart?: ((pid: number, process: ProcessIdentity | null) => void) | undefined
}

export type Started = {
  readonly child: ChildProcess
  readonly pid: number
  readonly identify: () => ProcessIdentity | null
  readonly stdout: Readable
  readonly stderr: Readable
}

/** Nothing ran. `program`: not found or not executable; `system`: no memory, too many arguments, ... */
export type NotStarted = { how: 'not-started'; what: 'workdir' | 'program' | 'system'; errno: string }

const NOT_FOUND = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']
const NOT_EXECUTABLE = ['EACCES', 'EPERM', 'ENOEXEC', 'ELOOP', 'EISDIR', 'ETXTBSY', 'ELIBBAD', UNSAFE_WORDS]

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
  const spawned = isUnwanted() ? null : spawnAlone({ ...spec, cwd }, pipes)
  if (pipes) for (const { writeFd } of [pipes.stdout, pipes.stderr]) closeSync(writeFd)
  const child = spawned === null || typeof spawned === 'string' ? null : spawned.child
  const stdout = pipes?.stdout.reader ?? child?.stdout
  const stderr = pipes?.stderr.reader ?? child?.stderr
  if (spawned !== null && typeof spawned !== 'string' && child?.pid !== undefined && stdout && stderr) {
    const { pid } = child
    return { child, pid, stdout, stderr, identify: () => spawned.identify(pid) }
  }
  for (const stream of [stdout, stderr]) stream?.destroy()
  if (spawned === null) return 'unwanted'
  return notStarted(typeof spawned === 'string' ? spawned : await spawnFault(spawned.child))
}

/** What a shell would have exited with: 127 not found, 126 found but not executable. */
export const startFailureCode = (errno: string): 126 | 127 => (NOT_FOUND.includes(errno) ? 127 : 126)

const spawnAlone = forPlatform({ posix: spawnPosix, windows: spawnWindows })

function spawnFault(child: ChildProcess): Promise<string> {
  return new Promise(resolve => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'EINVAL'))
  })
}

function notStarted(errno: string): NotStarted {
  const isProgram = NOT_FOUND.includes(errno) || NOT_EXECUTABLE.includes(errno)
  return { how: 'not-started', what: isProgram ? 'program' : 'system', errno }
}
