/**
 * The shape of a playbook, except for each step's `with`, which the step kinds' own schemas describe. Built when
 * asked for, because building schemas is a good part of what loading a playbook costs.
 */
import * as z from 'zod'
import { isRecord } from '../document/is-record.ts'
import { durationSchema, timeLimitSchema } from '../duration.ts'
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
export const INPUT_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

const line = (max: number) =>
  z
    .string()
    .max(max, `at most ${max} characters`)
    .regex(/^[^\n]*$/, 'one line')

const scalar = () => z.union([z.string(), z.number(), z.boolean()])

const INPUT_FIELDS = {
  type: () => z.enum(INPUT_TYPES as [InputType, ...InputType[]]).describe('What a value must be.'),
  description: () => line(500).optional().describe('For people and agents who must choose a value.'),
  optional: () =>
    z.boolean().optional().describe('May be left out; expressions then see null: `inputs.tag != null`.'),
  default: () =>
    scalar()
      .optional()
      .describe('Used when no value is given. May hold expressions over the inputs above it.'),
  pattern: () =>
    z.string().min(1).max(500).optional().describe('A regular expression that the whole value must match.'),
  oneOf: () => z.array(scalar()).min(1).optional().describe('The only values that are accepted.'),
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
const STEP_FIELDS = {
  id: () =>
    z
      .string()
      .max(64, 'at most 64 characters')
      .regex(STEP_ID, 'letters, digits and _, in parts joined by . or -, starting with a letter')
      .optional()
      .describe(
        'How expressions and reports name this step. Made from the kind when left out: git.fetch, git.fetch-2.',
      ),
  name: () => line(200).optional().describe('Shown to people instead of the id.'),
  when: () =>
    z
      .union([z.string().min(1), z.boolean()])
      .optional()
      .describe('A CEL expression; the step is skipped when it is false.'),
  timeout: () => timeLimitSchema().optional().describe('How long one attempt may take, like 30s or 5m.'),
  retry: () => retrySchema().optional().describe('Try again when the step fails.'),
  continueOnError: () =>
    z
      .boolean()
      .optional()
      .describe(
        'The run goes on although this step failed. It rolls nothing back for it, and ends as failed.',
      ),
  env: () =>
    z
      .record(z.string().regex(ENV_NAME, 'a name of letters, digits and _'), z.string())
      .optional()
      .describe('Environment variables of the commands of this step.'),
  cwd: () =>
    z.string().min(1).optional().describe('The folder that commands start in, absolute, on the target.'),
}

/** What makes a step one thing or another; looked at by `check-steps.ts`. */
const FORM_FIELDS = {
  uses: () => z.string().optional(),
  with: () => z.record(z.string(), z.unknown()).optional(),
  run: () => z.unknown().optional(),
  script: () => z.unknown().optional(),
}

type Fields = Readonly<Record<string, () => z.ZodType>>
type Made<F extends Fields> = { [K in keyof F]: ReturnType<F[K]> }

const made = <F extends Fields>(fields: F, isWanted: (name: string) => boolean = () => true): Made<F> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, make]) => (isWanted(name) ? [[name, make()]] : [])),
  ) as Made<F>

export const stepFields = () => made(STEP_FIELDS)
export const playbookFields = () => made(playbookFieldsWith(() => made(INPUT_FIELDS)))

/** Loose about what belongs to a kind: `check-steps.ts` checks that with the kind's schema. */
export function playbookSchema(shortFormFields: readonly string[]) {
  const step = z.strictObject({ ...shortFields(shortFormFields), ...stepFields(), ...made(FORM_FIELDS) })
  return z.strictObject({ ...playbookFields(), steps: stepsSchema(step) })
}

/**
 * The part of it that has something to say about `value`: a field that is left out, and may be, is accepted by the
 * whole as well. Most playbooks use few fields, and building a schema takes longer than using it once. It says the same
 * as the whole, but for the names of what it leaves out.
 */
export function playbookSchemaFor(value: unknown, shortFormFields: () => readonly string[]): z.ZodType {
  const steps = isRecord(value) && Array.isArray(value['steps']) ? value['steps'] : []
  const inputs = isRecord(value) && isRecord(value['inputs']) ? Object.values(value['inputs']) : []
  const step = z.strictObject({
    ...(steps.every(hasCommonKeysOnly) ? {} : shortFields(shortFormFields())),
    ...occurring(STEP_FIELDS, steps),
    ...occurring(FORM_FIELDS, steps),
  })
  const input = () => occurring(INPUT_FIELDS, inputs, ['type'])
  const own = occurring(playbookFieldsWith(input), [value], ['hostops', 'name'])
  return z.strictObject({ ...own, steps: stepsSchema(step) })
}

/** Whether it can be understood without the names of what its kind takes beside `run` or `script`. */
export const hasCommonKeysOnly = (step: unknown): boolean =>
  isRecord(step) && Object.keys(step).every(key => COMMON_KEYS.has(key))

const COMMON_KEYS: ReadonlySet<string> = new Set(Object.keys({ ...STEP_FIELDS, ...FORM_FIELDS }))

const shortFields = (names: readonly string[]) =>
  Object.fromEntries(names.map(name => [name, z.unknown().optional()]))

const stepsSchema = <S extends z.ZodType>(step: S) => z.array(step).min(1, 'at least one step')

/** Those of the fields that any of the values has, or that must be there; the others are never made. */
function occurring<F extends Fields>(
  fields: F,
  values: readonly unknown[],
  required: readonly string[] = [],
): Made<F> {
  const has = (name: string) => values.some(value => isRecord(value) && Object.hasOwn(value, name))
  return made(fields, name => required.includes(name) || has(name))
}

const playbookFieldsWith = (input: () => Made<typeof INPUT_FIELDS>) => ({
  hostops: () => z.literal(1).describe('The version of the format.'),
  name: () =>
    z
      .string()
      .regex(NAME, 'up to 64 letters, digits, dots, dashes and _')
      .describe('How reports and policies name this playbook.'),
  description: () => z.string().max(2000).optional().describe('What it does, for people and agents.'),
  inputs: () =>
    z
      .record(
        z.string().regex(INPUT_NAME, 'a name of letters, digits and _, starting with a letter'),
        z.strictObject(input()),
      )
      .optional()
      .describe('What a caller may or must give. Checked before anything is contacted.'),
  env: () =>
    z
      .array(z.string().regex(ENV_NAME, 'a name of letters, digits and _'))
      .optional()
      .describe('Environment variables of the runner that expressions may read as env.NAME.'),
  defaults: () =>
    z
      .record(z.string(), z.unknown())
      .optional()
      .describe('Supplies any `with` field that a step leaves out, for steps whose kind has that field.'),
  target: () =>
    line(256).min(1).optional().describe('local, hostlink:<name>, ssh:<destination> or node:<name>.'),
  onFailure: () =>
    z.enum(['rollback', 'stop']).optional().describe('What happens after a failed step. Default rollback.'),
  timeout: () => timeLimitSchema().optional().describe('How long the whole run may take. Default 1h.'),
  rollbackTimeout: () => timeLimitSchema().optional().describe("The rollback's own budget. Default 15m."),
})

export type RawPlaybook = z.infer<ReturnType<typeof playbookSchema>>
export type RawStep = RawPlaybook['steps'][number]
