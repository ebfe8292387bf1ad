/** A playbook that has passed every check: what planning starts from. */
import type { Json } from '../document/json.ts'
import type { StepKind } from '../steps/contract/step.ts'

export type InputType =
  | 'string'
  | 'ref'
  | 'path'
  | 'url'
  | 'boolean'
  | 'integer'
  | 'number'
  | 'duration'
  | 'secret'

export type InputSpec = {
  type: InputType
  description?: string | undefined
  optional: boolean
  /** May hold expressions over the inputs that stand above it. */
  default?: Template | undefined
  pattern?: string | undefined
  oneOf?: readonly Json[] | undefined
}

/** One CEL expression, type-checked when the playbook was loaded. */
export type Expression = { $expr: string }
/** Text with expressions in it. */
export type Interpolated = { $text: (string | Expression)[] }
/** JSON in which a string may be an expression or hold some. Plain JSON itself, so that a plan can be stored. */
export type Template =
  | null
  | boolean
  | number
  | string
  | Expression
  | Interpolated
  | Template[]
  | { [key: string]: Template }

export type Retry = { attempts: number; delayMs: number; backoff: number; maxDelayMs: number }

export type PlaybookStep = {
  /** Given, or made from the kind's name: `git.fetch`, `git.fetch-2`. */
  id: string
  name?: string | undefined
  kind: StepKind
  /** `defaults` merged in for the fields that this kind has and the step leaves out. */
  with: { [key: string]: Template }
  when?: Expression | undefined
  timeoutMs?: number | undefined
  retry?: Retry | undefined
  continueOnError: boolean
  env: { [name: string]: Template }
  cwd?: Template | undefined
}

export type Playbook = {
  /** As messages name it. */
  file: string
  /** SHA-256 of the text, hex: what a policy pins and a resumed run goes on with. */
  digest: string
  text: string
  name: string
  description?: string | undefined
  inputs: { [name: string]: InputSpec }
  /** Names of environment variables that expressions may read. */
  env: string[]
  target?: string | undefined
  onFailure: Template
  timeoutMs: number
  rollbackTimeoutMs: number
  steps: PlaybookStep[]
}
