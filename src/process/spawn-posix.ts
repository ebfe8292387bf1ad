/** A process alone in a session of its own: no terminal of ours, and a group that can be told as a whole. */
import { spawn } from 'node:child_process'
import { identify } from './identity.ts'
import type { Spawned, SpawnSpec } from './known-process.ts'
import type { Pipes } from './pipe.ts'

const CHILD_UMASK = 0o022

/** A child, or the name of the error that kept it from starting. */
export function spawnPosix(
  { argv, file: given, cwd, env }: SpawnSpec,
  pipes: Pipes | null,
): Spawned | string {
  const [argv0, ...args] = argv
  const file = given ?? argv0
  if (!file) return 'ENOENT'
  const umask = process.umask(CHILD_UMASK)
  try {
    const child = spawn(file, args, {
      argv0,
      cwd,
      env,
      detached: true,
      stdio: ['ignore', pipes?.stdout.writeFd ?? 'pipe', pipes?.stderr.writeFd ?? 'pipe'],
    })
    return { child, identify }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EINVAL'
  } finally {
    process.umask(umask)
  }
}
