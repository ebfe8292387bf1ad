/** Reads the arguments of a tool call. They come from a language model: they are hostile until they pass. Pure. */
import * as z from 'zod'
import { isRecord } from '../../document/is-record.ts'
import { isRunId } from '../../engine/run-id.ts'
import { Failed, type InputProblem } from '../../failure.ts'
import { shownName } from '../../playbook/given-inputs.ts'
import { INPUT_NAME } from '../../playbook/playbook-schema.ts'

export const LONGEST_WAIT_S = 50
export const DEFAULT_WAIT_S = 20
const MOST_SHOWN = 300

const runId = z.string().refine(isRunId, 'is not a run id')

const startSchema = z
  .strictObject({
    mode: z.enum(['check', 'run']).default('check'),
    /** Not a record of zod's, which passes over `__proto__`. */
    inputs: z.custom<Record<string, unknown>>(isRecord, 'must be an object').optional(),
    plan: z.string().optional(),
    run_id: runId.optional(),
  })
  .refine(({ mode, plan }) => plan === undefined || mode === 'run', 'plan goes with mode run')

const waitSchema = z.strictObject({ run_id: runId, timeout_s: z.number().default(DEFAULT_WAIT_S) })
const runSchema = z.strictObject({ run_id: runId })
const emptySchema = z.strictObject({})

export type StartArguments = {
  isCheck: boolean
  texts: { [input: string]: string }
  plan?: string
  runId?: string
}

/** Throws `Failed`, as all of these do. */
export function startArguments(given: unknown): StartArguments {
  const { mode, inputs = {}, plan, run_id } = parsed(startSchema, given)
  return {
    ...{ isCheck: mode === 'check', texts: textsOf(inputs) },
    ...(plan === undefined ? {} : { plan }),
    ...(run_id === undefined ? {} : { runId: run_id }),
  }
}

export function waitArguments(given: unknown): { runId: string; waitMs: number } {
  const { run_id, timeout_s } = parsed(waitSchema, given)
  return { runId: run_id, waitMs: Math.min(Math.max(timeout_s, 0), LONGEST_WAIT_S) * 1000 }
}

export const runArgument = (given: unknown): string => parsed(runSchema, given).run_id

export const noArguments = (given: unknown): void => void parsed(emptySchema, given)

/**
 * Each value as `-i` would give it: its type, pattern and the rest are judged where the run lives. Nothing in a text is
 * looked up, so that `@/etc/passwd` is only a text. What is null was left out.
 */
function textsOf(inputs: Readonly<Record<string, unknown>>): { [input: string]: string } {
  const problems: InputProblem[] = []
  const texts: [string, string][] = []
  for (const [name, value] of Object.entries(inputs)) {
    if (value === null) continue
    if (!INPUT_NAME.test(name)) {
      problems.push({ input: shownName(name), problem: 'unknown', detail: 'is not the name of an input' })
    } else if (typeof value === 'object') {
      problems.push({
        input: name,
        problem: 'ill-typed',
        detail: 'must be one value, not a list or an object',
      })
    } else texts.push([name, String(value)])
  }
  if (problems.length > 0) throw new Failed({ code: 'inputs-invalid', problems })
  return Object.fromEntries(texts)
}

function parsed<S extends z.ZodType>(schema: S, given: unknown): z.output<S> {
  const result = schema.safeParse(isRecord(given) ? withoutNulls(given) : (given ?? {}))
  if (result.success) return result.data
  const [issue] = result.error.issues
  const problem = [...(issue?.path ?? []), issue?.message].join(' ')
  throw new Failed({ code: 'usage', what: 'tool-call', problem: problem.slice(0, MOST_SHOWN) })
}

/** Some models fill in all that a schema names. */
const withoutNulls = (given: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
