/** Whether a step leaves its caller the choice of what a command runs: judged like a rule of an allowlist. Pure. */
import { basename } from 'node:path'
import { whyFreeEnvIsOpen } from '../hostlink/daemon/policy/free-env.ts'
import type { Hole } from '../hostlink/daemon/policy/holes.ts'
import { openFault } from '../hostlink/daemon/policy/open-programs.ts'
import { type CommandTemplate, printWord } from '../hostlink/daemon/policy/template.ts'

type Fields = Readonly<Record<string, unknown>>
/** Names the kind of text that the caller may insert; null: none. */
export type KindOf = (text: string) => Hole['kind'] | null

/** `argvs`: of the step itself, and of what takes it back. */
export function freeCommand(argvs: readonly CommandTemplate[], env: Fields, kindOf: KindOf): string | null {
  for (const argv of argvs) {
    const [program] = argv
    if (program === undefined) continue
    if ('hole' in program) return 'the caller chooses the program of a command'
    const fault = openFault(printWord(program), argv)
    if (fault !== null && argv.length > 1) return `of a command, ${fault.reason}`
  }
  for (const [name, value] of Object.entries(env)) {
    const why = kindOf(String(value)) === null ? null : whyFreeEnvIsOpen(name)
    if (why !== null) return `the caller chooses ${name}: ${why}`
  }
  return null
}

export function templateOf(argv: readonly unknown[], kindOf: KindOf): CommandTemplate {
  return argv.map(String).map(text => {
    const kind = kindOf(text)
    if (kind === null) return { literal: text }
    const hole: Hole = kind === 'path' ? { kind, root: '/' } : { kind }
    return { before: text.slice(0, text.indexOf('${{')), hole, after: '' }
  })
}

/** An option of theirs runs a program, or writes any file. */
const WITH_OPTIONS: ReadonlySet<string> = new Set(
  'bsdtar curl find git node nodejs rsync tar wget zip'.split(' '),
)

/** Unlike the values of a rule, those of a text begin with a dash as well. `isText`: the caller may give any. */
export function freeOption(
  argvs: readonly (readonly unknown[])[],
  isText: (word: string) => boolean,
): string | null {
  for (const [program, ...words] of argvs.map(argv => argv.map(String))) {
    if (program === undefined || !WITH_OPTIONS.has(basename(program))) continue
    const end = words.indexOf('--')
    if (words.slice(0, end < 0 ? undefined : end).some(word => word.startsWith('${{') && isText(word)))
      return `the caller chooses an option of ${basename(program)}: give the input a pattern, or write -- before it`
  }
  return null
}
