/** A rule of an allowlist, and what is known when it is held against a request. */
import type { FolderId } from '../../../process/workdir.ts'
import { type CommandTemplate, printWord, type Word } from './template.ts'
import type { Judged } from './trust.ts'

export type Rule = {
  /** Every word of the command; the first is the program, by name or by absolute path. */
  readonly template: CommandTemplate
  /** Names of variables that a request may set. */
  readonly env: readonly string[]
  /** The folder that a request must name, or one below which it must lie. Absent: it names none. */
  readonly workdir?: Word
  /** Where the rule stands, for answers and the audit log: `policy.yaml:12`. */
  readonly source: string
}

export type PolicyContext = {
  /** argv[0] to the absolute path of the program, as the daemon's own PATH has it. */
  readonly find: (argv0: string) => string | null
  readonly judge: (path: string) => Judged
}

/** What must be executed in place of what was asked for: a link may lead elsewhere a moment after it was followed. */
export type Judgement = {
  /** The program's file. */
  readonly file?: string
  /** Begins with the program as the rule has it: some look for their own files beside the name that they are given. */
  readonly argv?: readonly string[]
  readonly workdir?: string
  readonly workdirIs?: FolderId
}

export const programOf = ({ template }: Pick<Rule, 'template'>): string => printWord(template[0]!)
