/**
 * The shape of a playbook, except for each step's `with`, which the step kinds' own schemas describe. Built when
 * asked for, because building schemas is a good part of what loading a playbook costs.
 */
import * as z from 'zod'
import { durationSchema } from '../steps/duration.ts'
import type { InputType } from './playbook.ts'

export const INPUT_TYPES: readonly InputType[] = [
  'string',
  'ref',
  'path',
  'url',
  'boolean',
  'integer',
  'number',
  'duration',
  'secret',
]

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const STEP_ID = /^[A-Za-z][A-Za-z0-9_]*([.-][A-Za-z0-9_]+)*$/
const INPUT_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

const line = (max: number) =>
  z
    .string()
    .max(max, `at most ${max} characters`)
    .regex(/^[^\n]*$/, 'one line')

const scalar = () => z.union([z.string(), z.number(), z.boolean()])

function inputSchema() {
  return z.strictObject({
    type: z.enum(INPUT_TYPES as [InputType, ...InputType[]]).describe('What a value must be.'),
    description: line(500).optional().describe('For people and agents who must choose a value.'),
    optional: z
      .boolean()
      .optional()
      .describe('May be left out; expressions then see null: `inputs.tag != null`.'),
    default: scalar()
      .optional()
      .describe('Used when no value is given. May hold expressions over the inputs above it.'),
    pattern: z
      .string()
      .min(1)
      .max(500)
      .optional()
      .describe('A regular expression that the whole value must match.'),
    oneOf: z.array(scalar()).min(1).optional().describe('The only values that are accepted.'),
  })
}

function retrySchema() {
  return z.strictObject({
    attempts: z.int().min(1, 'at least 1').max(100, 'at most 100').describe('How often it is tried in all.'),
    delay: durationSchema().optional().describe('Before the second attempt. Default 1s.'),
    backoff: z
      .number()
      .min(1, 'at least 1')
      .max(10, 'at most 10')
      .optional()
      .describe('Each delay is this many times the one before. Default 2.'),
    maxDelay: durationSchema().optional().describe('No delay is longer. Default 30s.'),
  })
}

/** What every step may have, whatever its kind. */
export function stepFields() {
  return {
    id: z
      .string()
      .max(64, 'at most 64 characters')
      .regex(STEP_ID, 'letters, digits and _, in parts joined by . or -, starting with a letter')
      .optional()
      .describe(
        'How expressions and reports name this step. Made from the kind when left out: git.fetch, git.fetch-2.',
      ),
    name: line(200).optional().describe('Shown to people instead of the id.'),
    when: z
      .union([z.string().min(1), z.boolean()])
      .optional()
      .describe('A CEL expression; the step is skipped when it is false.'),
    timeout: durationSchema().optional().describe('How long one attempt may take, like 30s or 5m.'),
    retry: retrySchema().optional().describe('Try again when the step fails.'),
    continueOnError: z.boolean().optional().describe('The run goes on although this step failed.'),
    env: z
      .record(z.string().regex(ENV_NAME, 'a name of letters, digits and _'), z.string())
      .optional()
      .describe('Environment variables of the commands of this step.'),
    cwd: z.string().min(1).optional().describe('The folder that commands start in, absolute, on the target.'),
  }
}

/** Loose about what belongs to a kind: `check-steps.ts` checks that with the kind's schema. */
export function playbookSchema(shortFormFields: readonly string[]) {
  const steps = z.array(stepSchema(shortFormFields)).min(1, 'at least one step')
  return z.strictObject({ ...playbookFields(), steps })
}

export function playbookFields() {
  return {
    hostops: z.literal(1).describe('The version of the format.'),
    name: z
      .string()
      .regex(NAME, 'up to 64 letters, digits, dots, dashes and _')
      .describe('How reports and policies name this playbook.'),
    description: z.string().max(2000).optional().describe('What it does, for people and agents.'),
    inputs: z
      .record(
        z.string().regex(INPUT_NAME, 'a name of letters, digits and _, starting with a letter'),
        inputSchema(),
      )
      .optional()
      .describe('What a caller may or must give. Checked before anything is contacted.'),
    env: z
      .array(z.string().regex(ENV_NAME, 'a name of letters, digits and _'))
      .optional()
      .describe('Environment variables of the runner that expressions may read as env.NAME.'),
    defaults: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('Supplies any `with` field that a step leaves out, for steps whose kind has that field.'),
    target: line(256).min(1).optional().describe('local, hostlink:<name>, ssh:<destination> or node:<name>.'),
    onFailure: z
      .enum(['rollback', 'stop'])
      .optional()
      .describe('What happens after a failed step. Default rollback.'),
    timeout: durationSchema().optional().describe('How long the whole run may take. Default 1h.'),
    rollbackTimeout: durationSchema().optional().describe("The rollback's own budget. Default 15m."),
  }
}

function stepSchema(shortFormFields: readonly string[]) {
  return z.strictObject({
    ...Object.fromEntries(shortFormFields.map(field => [field, z.unknown().optional()])),
    ...stepFields(),
    uses: z.string().optional(),
    with: z.record(z.string(), z.unknown()).optional(),
    run: z.unknown().optional(),
    script: z.unknown().optional(),
  })
}

export type RawPlaybook = z.infer<ReturnType<typeof playbookSchema>>
export type RawStep = RawPlaybook['steps'][number]
