/**
 * Finds a program on Windows by PATH and PATHEXT. The system itself would look into the working folder first, where a
 * checkout may hold a git.exe of its own.
 */
import { statSync } from 'node:fs'
import { join, resolve, win32 } from 'node:path'
import { quietly } from './quietly.ts'
import { variable } from './variables.ts'

type Env = Readonly<Record<string, string>>

/** What Windows, or its cmd.exe, can be told to run. */
const RUNNABLE = ['.com', '.exe', '.bat', '.cmd']

/** Null: there is none. */
export function findWindowsProgram(word: string, env: Env, cwd: string): string | null {
  const places = /[\\/:]/.test(word)
    ? [resolve(cwd, word)]
    : pathFolders(env).map(folder => join(folder, word))
  const endings = isRunnable(word) ? ['', ...extensions(env)] : extensions(env)
  for (const place of word === '' ? [] : places) {
    const found = endings.map(ending => place + ending).find(isFile)
    if (found !== undefined) return found
  }
  return null
}

const isRunnable = (word: string): boolean => RUNNABLE.includes(win32.extname(word).toLowerCase())

/** Relative ones would be found in whatever folder a command runs in. */
const pathFolders = (env: Env): string[] =>
  (variable(env, 'PATH') ?? '')
    .split(';')
    .map(folder => folder.trim().replaceAll('"', ''))
    .filter(folder => win32.isAbsolute(folder))

const extensions = (env: Env): string[] =>
  (variable(env, 'PATHEXT') ?? RUNNABLE.join(';'))
    .toLowerCase()
    .split(';')
    .filter(ending => RUNNABLE.includes(ending))

const isFile = (path: string): boolean => quietly(() => statSync(path).isFile()) ?? false
