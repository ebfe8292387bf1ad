/**
 * What one expression refers to: `inputs.NAME`, `steps.ID.OUTPUT`, `run.id`, `run.target`, `env.NAME`.
 *
 * Every reference names its thing literally, so that dependencies are known without evaluating. Step ids hold dots
 * and dashes: `steps["git.fetch-2"].sha` always works, `steps.git.fetch.sha` works for ids that are made of names
 * and dots; the longest id that exists and has the output wins.
 */
import type { OutputType } from '../steps/contract/step.ts'
import type { InputType } from './playbook.ts'

/** Plain JSON, so that a plan can carry it. Nullable: an optional input, or the output of a step that may not run. */
export type ExpressionTypes = {
  inputs: { [name: string]: { type: InputType; nullable: boolean } }
  steps: { [id: string]: { outputs: { [name: string]: OutputType }; nullable: boolean } }
  env: string[]
}

export type CelType = OutputType | 'dyn'

export type Reference = {
  root: 'inputs' | 'steps' | 'run' | 'env'
  name: string
  /** Empty except for steps. */
  output: string
  type: CelType
  start: number
  end: number
  /** Where the name itself stands, for messages. */
  nameStart: number
  nameEnd: number
}

export type ExpressionProblem = {
  message: string
  start: number
  end: number
  hint?: string
  suggestion?: string
  /** The step whose output was asked for. */
  step?: string
}

export const INPUT_CEL_TYPES: Record<InputType, CelType> = {
  string: 'string',
  ref: 'string',
  path: 'string',
  url: 'string',
  duration: 'string',
  secret: 'string',
  boolean: 'bool',
  integer: 'int',
  number: 'double',
}
