/** Each line of journal.ndjson, for those who read journals with other programs. What it means: JOURNAL.md. */
import * as z from 'zod'
import type { Event } from '../engine/events.ts'
import { JOURNAL_VERSION } from './journal-text.ts'

const id = z.string().describe('of the step')
const effect = z.enum(['read', 'fetch', 'write', 'disrupt', 'irreversible'])
const movement = z.enum(['restore', 'reactivate', 'verify'])
const signal = z.enum(['SIGINT', 'SIGTERM', 'SIGHUP'])
const phase = z
  .string()
  .describe('the attempt (1, 2, ...), or what else of the step said it, like restore; not in version 1')
const durationMs = z.number().min(0)
const facts = z.record(z.string(), z.unknown()).describe('as in the report')
const failure = z
  .looseObject({ code: z.string().describe('the errorCode of the report') })
  .describe('an expected failure as data')
const argument = z.union([z.string(), z.strictObject({ unknown: z.string() })])
const command = z.strictObject({ argv: z.array(argument), cwd: argument.optional() })
const startedCommand = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('announced'),
      argv: z.string().describe('a hash of its words'),
      at: z.int().describe('clock ticks since the boot'),
      boot: z.string().describe('id of the boot'),
    }),
    z.strictObject({
      kind: z.literal('process'),
      pid: z.int(),
      started: z.string().nullable().describe('clock ticks since the boot'),
      boot: z.string().nullable().describe('id of the boot'),
    }),
    z.strictObject({ kind: z.literal('job'), job: z.string().describe('id of the job where it runs') }),
    z.strictObject({
      kind: z.literal('marked'),
      mark: z.string().describe('of its note on the host, over ssh'),
    }),
    z.strictObject({ kind: z.literal('key'), key: z.string().describe('start-once key at the daemon') }),
  ])
  .describe('how a command that may change something is found again')
const summary = z.strictObject({
  id,
  name: z.string(),
  uses: z.string(),
  effect: effect.nullable(),
  about: facts,
  leftOut: z.array(z.string()).optional().describe('what its kind cannot do on this target; absent: nothing'),
  log: z.string().optional().describe('name of the file in steps/ with its output; not in version 1'),
})
const somebody = z.strictObject({ kind: z.enum(['user', 'token', 'mcp']), name: z.string() })
const by = somebody.nullable().optional().describe('who asked for that; null: not known; not in version 1')
const caller = z
  .strictObject({
    by: somebody,
    target: z.string().describe('what they call the target; that of a run on a host is local itself'),
    parent: z
      .strictObject({ fleet: z.string(), wave: z.int().min(1) })
      .nullable()
      .describe('the fleet that the run is a part of'),
  })
  .nullable()

/** A new event does not build until it is described; output goes to the logs of the steps. */
const events: Record<Exclude<Event['type'], 'output'>, z.ZodRawShape> = {
  'run-started': {
    runId: z.string(),
    playbook: z.string(),
    playbookDigest: z.string().nullable().optional().describe('sha256 of playbook.yaml; not in version 1'),
    planHash: z.string().nullable().optional().describe('short hash of plan.json; not in version 1'),
    target: z.string(),
    caller: caller.optional().describe('who started it; not in version 1'),
    steps: z.array(summary),
  },
  'snapshot-started': {},
  recorded: { id, snapshot: z.unknown().describe('what restore will be given') },
  'snapshot-finished': { durationMs },
  resumed: { runId: z.string(), done: z.array(z.string()), inFlight: z.string().nullable(), by },
  'step-started': { id, effect, attempt: z.int().min(1), commands: z.array(command) },
  'command-started': {
    id,
    place: z.int().min(1).optional().describe('which command of the step: some run side by side'),
    command: startedCommand,
  },
  said: { id, phase: phase.nullable().optional(), line: z.string() },
  saw: {
    id,
    movement: movement.nullable().describe('null: in the step itself'),
    what: z.string(),
    target: z.string(),
    saw: z.string(),
    ok: z.boolean(),
  },
  probe: {
    id,
    url: z.string(),
    ok: z.boolean(),
    status: z.int().nullable().describe('null: nothing answers'),
  },
  'confirm-awaited': {
    id,
    deadline: z.number().describe('milliseconds since 1970'),
    confirmer: z
      .enum(['caller', 'other'])
      .optional()
      .describe('other: nobody who started the run; absent: caller'),
  },
  confirmed: { id, by },
  'step-retrying': { id, attempt: z.int().min(1), delayMs: z.number().min(0), failure },
  'step-finished': {
    id,
    status: z.enum(['succeeded', 'failed', 'skipped', 'unknown']),
    effect: effect.nullable(),
    attempts: z.int().min(0),
    durationMs,
    changed: z.boolean().nullable().describe('null: nobody looked'),
    tolerated: z.boolean(),
    facts,
    outputs: z.record(z.string(), z.unknown()),
    failure: failure.nullable(),
    reason: z.string().nullable(),
    untouched: z
      .literal(true)
      .optional()
      .describe('it was begun, but the target was gone before its first command, or refused it'),
  },
  checked: { id, text: z.string(), seen: z.unknown(), failure: failure.nullable() },
  'plan-hashed': { hash: z.string() },
  interrupting: { signal, hard: z.boolean(), by },
  evidence: {
    id,
    evidence: z.array(z.strictObject({ name: z.string(), text: z.string(), facts: facts.optional() })),
  },
  observed: { id, facts },
  'evidence-missing': { id, failure },
  'rollback-started': { because: failure, steps: z.array(z.string()), stopsAt: z.string().nullable() },
  'part-started': {
    movement,
    id,
    times: z
      .int()
      .min(1)
      .optional()
      .describe('which time it is; the start-once keys of its commands hold it'),
  },
  'part-finished': { movement, id, durationMs, changed: z.boolean(), facts, failure: failure.nullable() },
  'rollback-finished': {
    verified: z.boolean().nullable().describe('null: not all that was taken back could be looked at'),
    notVerified: z.array(z.string()).optional().describe('steps that nothing was seen of'),
    remains: z.array(failure),
    durationMs,
  },
  'run-finished': {
    outcome: z.string().describe('as in the report'),
    failedStep: z.string().nullable(),
    failure: failure.nullable(),
  },
}

/** One line. */
export const journalEntrySchema = z.union(
  Object.entries(events).map(([type, fields]) =>
    z.strictObject({
      v: z
        .int()
        .min(1)
        .max(JOURNAL_VERSION)
        .describe('of this format; lines of both stand in a journal that was begun with version 1'),
      seq: z.int().min(1).describe('the number of the line'),
      at: z.iso.datetime().describe('for people: nothing is decided by it, since clocks are set'),
      type: z.literal(type),
      ...fields,
    }),
  ),
)
