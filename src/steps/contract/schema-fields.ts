/** Schema parts that several kinds share. The descriptions are what editors show. */
import { posix, win32 } from 'node:path'
import * as z from 'zod'
import { isRefName } from './ref-name.ts'

const CONTROL = /[\u0000-\u001f\u007f]/
const WINDOWS_PATH = /^([A-Za-z]:[\\/]|\\\\)/

const isAbsolutePath = (text: string): boolean =>
  (text.startsWith('/') || WINDOWS_PATH.test(text)) && !CONTROL.test(text)

/** One spelling per folder as far as the text tells, because locks are compared by it. */
export function canonicalPath(text: string): string {
  const windows = WINDOWS_PATH.test(text)
  const normal = windows ? win32.normalize(text) : posix.normalize(text)
  const trimmed = normal.replace(windows ? /[\\/]+$/ : /\/+$/, '')
  return trimmed === '' || /^[A-Za-z]:$/.test(trimmed) ? normal : trimmed
}

export const absolutePath = () =>
  z.string().max(4096).refine(isAbsolutePath, 'an absolute path on the target, without control characters')

export const argv = () =>
  z
    .array(z.string().refine(text => !text.includes('\u0000'), 'no NUL byte can be passed to a program'))
    .min(1, 'a program and its arguments: ["docker", "info"]')
    .refine(words => words[0] !== '', 'the program’s name is empty')

export const repoField = () =>
  absolutePath().describe('The top folder of the git checkout, an absolute path on the target.')

/** Never an option, never a URL: a name that `git remote` lists. */
export const remoteField = () =>
  z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/, 'the name of a git remote')
    .refine(isRefName, 'the name of a git remote')
    .default('origin')
    .describe('Name of the git remote.')

export const refField = () =>
  z
    .string()
    .refine(isRefName, 'a branch, a tag or a commit, as git itself would accept it; never an option')
    .describe(
      'What to check out: a branch, a tag or a commit. refs/heads/x or refs/tags/x where one name is both.',
    )

/** Text that a shell will read may not be built from inputs: they reach it through `env`. */
export const scriptText = () =>
  z
    .string()
    .min(1)
    .regex(
      /^(?![\s\S]*\$\{\{)/,
      'a script holds no expressions: pass values through env: and read them there as "$NAME"',
    )
    .meta({ literal: 'pass values through `env:` and read them there as "$NAME"' })
    .describe(
      'Shell text, executed as it stands. Expressions are refused here: pass values through env: and use them as "$NAME".',
    )

export const shellField = () =>
  z
    .enum(['sh', 'bash', 'pwsh'])
    .default('sh')
    .describe('The shell that reads the script. pwsh is PowerShell 7 or later.')
