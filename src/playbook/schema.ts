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

function inputFields() {
  return {
    get type() {
      return z.enum(INPUT_TYPES as [InputType, ...InputType[]]).describe('What a value must be.')
    },
    get description() {
      return line(500).optional().describe('For people and agents who must choose a value.')
    },
    get optional() {
      return z
        .boolean()
        .optional()
        .describe('May be left out; expressions then see null: `inputs.tag != null`.')
    },
    get default() {
      return scalar()
        .optional()
        .describe('Used when no value is given. May hold expressions over the inputs above it.')
    },
    get pattern() {
      return z
        .string()
        .min(1)
        .max(500)
        .optional()
        .describe('A regular expression that the whole value must match.')
    },
    get oneOf() {
      return z.array(scalar()).min(1).optional().describe('The only values that are accepted.')
    },
  }
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
    get id() {
      return z
        .string()
        .max(64, 'at most 64 characters')
        .regex(STEP_ID, 'letters, digits and _, in parts joined by . or -, starting with a letter')
        .optional()
        .describe(
          'How expressions and reports name this step. Made from the kind when left out: git.fetch, git.fetch-2.',
        )
    },
    get name() {
      return line(200).optional().describe('Shown to people instead of the id.')
    },
    get when() {
      return z
        .union([z.string().min(1), z.boolean()])
        .optional()
        .describe('A CEL expression; the step is skipped when it is false.')
    },
    get timeout() {
      return timeLimitSchema().optional().describe('How long one attempt may take, like 30s or 5m.')
    },
    get retry() {
      return retrySchema().optional().describe('Try again when the step fails.')
    },
    get continueOnError() {
      return z
        .boolean()
        .optional()
        .describe(
          'The run goes on although this step failed. It rolls nothing back for it, and ends as failed.',
        )
    },
    get env() {
      return z
        .record(z.string().regex(ENV_NAME, 'a name of letters, digits and _'), z.string())
        .optional()
        .describe('Environment variables of the commands of this step.')
    },
    get cwd() {
      return z
        .string()
        .min(1)
        .optional()
        .describe('The folder that commands start in, absolute, on the target.')
    },
  }
}

/** What makes a step one thing or another; looked at by `check-steps.ts`. */
const formFields = () => ({
  get uses() {
    return z.string().optional()
  },
  get with() {
    return z.record(z.string(), z.unknown()).optional()
  },
  get run() {
    return z.unknown().optional()
  },
  get script() {
    return z.unknown().optional()
  },
})

/** Loose about what belongs to a kind: `check-steps.ts` checks that with the kind's schema. */
export function playbookSchema(shortFormFields: readonly string[]) {
  const step = z.strictObject({ ...shortFields(shortFormFields), ...stepFields(), ...formFields() })
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
    ...occurring(stepFields(), steps),
    ...occurring(formFields(), steps),
  })
  const input = () => occurring(inputFields(), inputs, ['type'])
  const own = occurring(playbookFields(input), [value], ['hostops', 'name'])
  return z.strictObject({ ...own, steps: stepsSchema(step) })
}

/** Whether it can be understood without the names of what its kind takes beside `run` or `script`. */
export const hasCommonKeysOnly = (step: unknown): boolean =>
  isRecord(step) && Object.keys(step).every(key => COMMON_KEYS.has(key))

const COMMON_KEYS: ReadonlySet<string> = new Set([...Object.keys(stepFields()), ...Object.keys(formFields())])

const shortFields = (names: readonly string[]) =>
  Object.fromEntries(names.map(name => [name, z.unknown().optional()]))

const stepsSchema = <S extends z.ZodType>(step: S) => z.array(step).min(1, 'at least one step')

/** Those of the fields that any of the values has, or that must be there; the others are never made. */
function occurring<F extends object>(
  fields: F,
  values: readonly unknown[],
  required: readonly string[] = [],
): F {
  const has = (name: string) => values.some(value => isRecord(value) && Object.hasOwn(value, name))
  const names = Object.keys(fields).filter(name => required.includes(name) || has(name))
  return Object.fromEntries(names.map(name => [name, fields[name as keyof F]])) as F
}

export function playbookFields(input: () => ReturnType<typeof inputFields> = inputFields) {
  return {
    get hostops() {
      return z.literal(1).describe('The version of the format.')
    },
    get name() {
      return z
        .string()
        .regex(NAME, 'up to 64 letters, digits, dots, dashes and _')
        .describe('How reports and policies name this playbook.')
    },
    get description() {
      return z.string().max(2000).optional().describe('What it does, for people and agents.')
    },
    get inputs() {
      return z
        .record(
          z.string().regex(INPUT_NAME, 'a name of letters, digits and _, starting with a letter'),
          z.strictObject(input()),
        )
        .optional()
        .describe('What a caller may or must give. Checked before anything is contacted.')
    },
    get env() {
      return z
        .array(z.string().regex(ENV_NAME, 'a name of letters, digits and _'))
        .optional()
        .describe('Environment variables of the runner that expressions may read as env.NAME.')
    },
    get defaults() {
      return z
        .record(z.string(), z.unknown())
        .optional()
        .describe('Supplies any `with` field that a step leaves out, for steps whose kind has that field.')
    },
    get target() {
      return line(256).min(1).optional().describe('local, hostlink:<name>, ssh:<destination> or node:<name>.')
    },
    get onFailure() {
      return z
        .enum(['rollback', 'stop'])
        .optional()
        .describe('What happens after a failed step. Default rollback.')
    },
    get timeout() {
      return timeLimitSchema().optional().describe('How long the whole run may take. Default 1h.')
    },
    get rollbackTimeout() {
      return timeLimitSchema().optional().describe("The rollback's own budget. Default 15m.")
    },
  }
}

export type RawPlaybook = z.infer<ReturnType<typeof playbookSchema>>
export type RawStep = RawPlaybook['steps'][number]
