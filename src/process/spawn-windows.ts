/**
 * A process of Windows, alone in a console of its own that nobody sees: Ctrl-C is for us and not for it. It holds a file by
 * which it is known later, and it ends with this process, unless something between them has ended before.
 */
import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { makeAliveFile } from './alive-file.ts'
import { findWindowsProgram } from './find-program-windows.ts'
import type { Spawned, SpawnSpec } from './known-process.ts'

/** In place of an error's name, because no system has one for this. */
export const UNSAFE_WORDS =
  'a .bat or .cmd program gets no words with " % ! ^ & | < > ( ) or a line break, which cmd.exe reads as its own'

/** A child, or the name of the error that kept it from starting. */
export function spawnWindows({ argv, file: given, cwd, env }: SpawnSpec): Spawned | string {
  const [argv0, ...args] = argv
  const file = findWindowsProgram(given ?? argv0 ?? '', env, cwd ?? process.cwd())
  if (file === null) return 'ENOENT'
  const line = /\.(cmd|bat)$/i.test(file) ? cmdLine(file, args) : null
  if (line === UNSAFE_WORDS) return UNSAFE_WORDS
  let alive: ReturnType<typeof makeAliveFile> | null = null
  try {
    alive = makeAliveFile()
    const { path, fd } = alive
    const stdio: ('ignore' | 'pipe' | number)[] = ['ignore', 'pipe', 'pipe', fd]
    const how = { cwd, env, stdio, windowsHide: true }
    const child =
      line === null
        ? spawn(file, args, { ...how, argv0 })
        : spawn(commandShell(), ['/d', '/s', '/c', line], { ...how, windowsVerbatimArguments: true })
    return { child, identify: pid => ({ pid, started: path, boot: null }) }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EINVAL'
  } finally {
    if (alive !== null) closeSync(alive.fd)
  }
}

/** Not from ComSpec, which a command's own environment might name. */
const commandShell = () => join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'cmd.exe')

/**
 * cmd.exe reads the words of a batch file twice, and no way of escaping is right for both (CVE-2024-27980): what it could
 * take for its own is refused instead.
 */
function cmdLine(file: string, args: readonly string[]): string {
  const quoted = (word: string) => `"${word.replace(/\\+$/, '$&$&')}"`
  if (/["%!\r\n]/.test(file) || args.some(word => /["%!^&|<>()\r\n]/.test(word))) return UNSAFE_WORDS
  return `"${[file, ...args].map(quoted).join(' ')}"`
}
