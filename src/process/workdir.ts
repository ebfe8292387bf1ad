/** The working folder of a process: looked at before the start, and held open where it was judged before. */
import { accessSync, closeSync, constants, fstatSync, openSync, promises } from 'node:fs'
import { IS_LINUX } from './platform.ts'

/** A folder itself, whatever its name is by now. */
export type FolderId = { readonly dev: number; readonly ino: number }

/** `path` is for the start of a child, until `close` is called. */
type Workdir = { readonly path: string | undefined; close(): void }

/** O_PATH of Linux, which Node does not name. */
const HOLD = IS_LINUX ? 0o10000000 : constants.O_RDONLY

const nothing = (): void => {}

/** Or the name of the error. Asked beforehand, because a failed spawn does not tell a bad folder from a bad program. */
export async function openWorkdir(
  path: string | undefined,
  is: FolderId | undefined,
): Promise<Workdir | string> {
  if (path === undefined) return { path, close: nothing }
  try {
    if (is !== undefined) return openJudged(path, is)
    if (!(await promises.stat(path)).isDirectory()) return 'ENOTDIR'
    await promises.access(path, constants.X_OK)
    return { path, close: nothing }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EINVAL'
  }
}

/** A name may be given to another folder between two looks; a descriptor stays with its own. */
function openJudged(path: string, is: FolderId): Workdir | string {
  const fd = openSync(path, HOLD | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  const end = () => closeSync(fd)
  const { dev, ino } = fstatSync(fd)
  if (dev !== is.dev || ino !== is.ino) {
    end()
    return 'ESTALE'
  }
  return { path: entrance(fd) ?? path, close: end }
}

/**
 * Only Linux lets a child begin in a descriptor, and not everywhere. Elsewhere it is the name, in folders that nobody
 * but root and ourselves can change.
 */
function entrance(fd: number): string | null {
  if (!IS_LINUX) return null
  try {
    const path = `/proc/self/fd/${fd}`
    accessSync(path, constants.X_OK)
    return path
  } catch {
    return null
  }
}
