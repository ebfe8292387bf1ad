/** What travels in the frames. Schemas check what a peer sends; types describe what we send. */
import * as z from 'zod'
import type { JobInfo } from '../jobs/job-info.ts'
import type { EXEC, FieldsOf, PING, TAIL } from './answer-fields.ts'

export const WIRE_VERSION = 1

export const FEATURES = [
  'argv',
  'stream',
  'keep_alive',
  'key',
  'cancel',
  'job_wait',
  'policy',
  'run',
  'attach',
] as const
export type Feature = (typeof FEATURES)[number]

export type Status = 'ok' | 'error' | 'timeout' | 'auth_failed' | 'bad_request' | 'not_found' | 'denied'

export type Envelope = { version: number; id: string; node: string; status: Status; error_msg?: string }

const noNul = (text: string) => !text.includes('\0')
const text = z.string().refine(noNul, 'contains a NUL byte')
const count = z.number().int()
const optional = <T extends z.ZodType>(schema: T) =>
  schema.nullish().transform(value => (value === null ? undefined : value))

const envName = z.string().regex(/^[^=\0]+$/, 'is not a variable name')
/** A record passes over a key of this name, and a variable must not be lost without a word. */
const MOST_INPUTS = 256
const namesNoPrototype = z
  .unknown()
  .refine(
    value => typeof value !== 'object' || value === null || !Object.hasOwn(value, '__proto__'),
    '__proto__ is not a variable name',
  )

/** Fields of `exec`; the envelope's own fields are checked before these are looked at. */
export const execRequest = z
  .object({
    command: optional(text.min(1, 'is empty')),
    argv: optional(z.array(text).min(1, 'is empty')),
    timeout_ms: optional(count),
    max_stdout_bytes: optional(count),
    max_stderr_bytes: optional(count),
    output_to_file: optional(z.boolean()),
    workdir: optional(text),
    env: optional(namesNoPrototype.pipe(z.record(envName, text))),
    detach: optional(z.boolean()),
    job_timeout_ms: optional(count),
    stream: optional(z.boolean()),
    key: optional(text.min(1, 'is empty').max(200, 'is longer than 200 characters')),
    cancel_on_disconnect: optional(z.boolean()),
    attach_only: optional(z.boolean()),
  })
  .refine(request => (request.command === undefined) !== (request.argv === undefined), {
    message: 'exactly one of command and argv is needed',
  })
  .refine(request => !(request.stream && (request.output_to_file || request.detach)), {
    message: 'stream cannot be combined with output_to_file or detach',
  })
  .refine(request => !(request.attach_only && request.key === undefined), {
    message: 'attach_only needs a key',
  })
export type ExecRequest = z.output<typeof execRequest>

export const cancelRequest = z
  .object({
    target_id: optional(z.string().min(1, 'is empty')),
    key: optional(z.string().min(1, 'is empty')),
    signal: optional(z.string()),
  })
  .refine(request => (request.target_id === undefined) !== (request.key === undefined), {
    message: 'exactly one of target_id and key is needed',
  })
export type CancelRequest = z.output<typeof cancelRequest>

const jobId = z.string().regex(/^[0-9a-f]{12}$/, 'is not a job id (12 hex digits)')
export const jobRequest = z.discriminatedUnion('action', [
  z.object({ action: z.literal('list') }),
  z.object({ action: z.literal('status'), job_id: jobId }),
  z.object({
    action: z.literal('tail'),
    job_id: jobId,
    stream: optional(z.enum(['stdout', 'stderr'])),
    offset: optional(count.min(0)),
    max_bytes: optional(count),
    wait_ms: optional(count),
  }),
  z.object({ action: z.literal('cancel'), job_id: jobId, signal: optional(z.string()) }),
  z.object({ action: z.literal('wait'), job_id: jobId, timeout_ms: optional(count) }),
])
export type JobRequest = z.output<typeof jobRequest>

const runId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'is no run id')
  .refine(id => id !== 'last', 'stands for the newest run')
/** Each may become a file, and a word of a command. */
const fewInputs = namesNoPrototype.refine(
  value => typeof value !== 'object' || value === null || Object.keys(value).length <= MOST_INPUTS,
  `has more than ${MOST_INPUTS} inputs`,
)
const inputName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'is no name of an input')
const playbookRef = z
  .object({
    name: optional(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'is no name of a playbook')),
    text: optional(
      z
        .string()
        .min(1, 'is empty')
        .max(1024 * 1024, 'is longer than 1 MiB'),
    ),
  })
  .refine(playbook => (playbook.name === undefined) !== (playbook.text === undefined), {
    message: 'exactly one of name and text is needed',
  })
/** Reaches a command line as one word: never an option, never empty. */
const word = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$/, 'is not a plain word')
const lineOfText = z.string().regex(/^[^\p{Cc}]{1,256}$/u, 'is not a line of at most 256 characters')
const runOptions = z.object({
  allow_dirty: optional(z.boolean()),
  rollback: optional(z.boolean()),
  check: optional(z.boolean()),
  timeout: optional(word),
  wait_lock: optional(word),
  plan: optional(word),
})

const goOn = <A extends string>(action: A) =>
  z.object({
    action: z.literal(action),
    run_id: runId,
    /** The same one again is no second attempt. */
    attempt: word.max(64),
    input_texts: optional(fewInputs.pipe(z.record(inputName, text.max(65_536, 'is longer than 64 KiB')))),
    options: optional(
      z.object({
        assume: optional(z.enum(['done', 'not-done'])),
        wait_lock: optional(word),
        rebuild: optional(z.boolean()),
      }),
    ),
  })

export const runRequest = z.discriminatedUnion('action', [
  z.object({
    action: z.literal('start'),
    playbook: playbookRef,
    inputs: optional(fewInputs.pipe(z.record(inputName, z.unknown()))),
    input_texts: optional(fewInputs.pipe(z.record(inputName, text.max(65_536, 'is longer than 64 KiB')))),
    run_id: optional(runId),
    /** What the client calls this host, and the fleet that the run is a part of: only recorded. */
    target: optional(lineOfText),
    parent: optional(z.object({ fleet: lineOfText, wave: count.min(1) })),
    options: optional(runOptions),
  }),
  z.object({ action: z.literal('list') }),
  z.object({ action: z.literal('playbooks') }),
  z.object({ action: z.literal('report'), run_id: runId }),
  z.object({
    action: z.literal('wait'),
    run_id: runId,
    job_id: optional(jobId),
    timeout_ms: optional(count),
  }),
  z.object({
    action: z.literal('events'),
    run_id: runId,
    job_id: optional(jobId),
    offset: optional(count.min(0)),
    max_bytes: optional(count),
    wait_ms: optional(count),
  }),
  z.object({
    action: z.literal('journal'),
    run_id: runId,
    after: optional(count.min(0)),
    wait_ms: optional(count),
  }),
  z.object({
    action: z.literal('logs'),
    run_id: runId,
    file: optional(z.string()),
    offset: optional(count.min(0)),
  }),
  goOn('resume'),
  goOn('rollback'),
  z.object({ action: z.literal('confirm'), run_id: runId }),
  z.object({
    action: z.literal('cancel'),
    run_id: runId,
    /** What the run reports that it was interrupted by. */
    signal: optional(z.enum(['INT', 'TERM'])),
  }),
])
export type RunRequest = z.output<typeof runRequest>
export type RunStart = Extract<RunRequest, { action: 'start' }>

export type PingAnswer = Envelope & FieldsOf<typeof PING>
export type ExecAnswer = Envelope & FieldsOf<typeof EXEC>
export type JobListAnswer = Envelope & { jobs?: JobInfo[] }
export type JobTailAnswer = Envelope & FieldsOf<typeof TAIL>

/** Which fields are there depends on the action; see PROTOCOL.md. */
export type RunAnswer = Envelope & {
  run_id?: string
  job_id?: string
  attached?: boolean
  done?: boolean
  exit_code?: number
  stdout?: string
  stderr?: string
  data?: string
  next_offset?: number
  files?: { name: string; bytes: number }[]
  runs?: unknown[]
  playbooks?: unknown[]
  run_status?: string
  /** Why the end of the run is open, or why it could not be confirmed or cancelled. */
  failure?: unknown
  entries?: unknown[]
  step?: string
  already?: boolean
}
