/** The report as an orchestrator parses it. `schemas/report.schema.json` is generated from this. */
import * as z from 'zod'

const sha = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/)
const timestamp = z.iso.datetime()

export const effects = ['read', 'fetch', 'write', 'disrupt', 'irreversible'] as const

export const outcomes = [
  'succeeded',
  'unchanged',
  'planned',
  'started',
  'rolled-back',
  'failed-unchanged',
  'invalid',
  'refused',
  'unreachable',
  'rollback-failed',
  'failed-changed',
  'unknown',
  'interrupted',
] as const

export const stepReportSchema = z.object({
  id: z.string(),
  uses: z.string(),
  status: z.enum(['succeeded', 'failed', 'skipped', 'not-run', 'unknown']),
  effect: z.enum(effects).nullable().describe('null while it depends on values that were never known'),
  attempts: z.int().min(0),
  durationMs: z.int().min(0),
  changed: z.boolean().optional().describe('whether the host was seen to differ afterwards'),
  errorCode: z.string().nullable().optional(),
  error: z.string().nullable().optional(),
  tolerated: z.boolean().optional().describe('failed, and the playbook said continueOnError'),
})

export const reportSchema = z
  .object({
    schemaVersion: z.literal(1),
    runId: z.string(),
    playbook: z.string().nullable(),
    target: z.string().nullable(),
    success: z
      .boolean()
      .nullable()
      .describe('true only for an end that was observed to be good; null while the end is not known'),
    outcome: z.enum(outcomes),
    changed: z
      .boolean()
      .nullable()
      .describe('whether the host differs from before the run; null while not known'),
    dryRun: z.boolean(),
    repoPath: z.string().nullable(),
    composePath: z.string().nullable(),
    serviceName: z.string().nullable(),
    requestedRef: z.string().nullable(),
    beforeSha: sha.nullable(),
    beforeBranch: z.string().nullable(),
    afterSha: sha.nullable(),
    afterBranch: z.string().nullable(),
    dirtyRepo: z.boolean().nullable(),
    composeRebuilt: z.boolean().nullable(),
    healthz: z.boolean().nullable(),
    readyz: z.boolean().nullable(),
    rollbackPerformed: z.boolean(),
    rollbackVerified: z.boolean().nullable(),
    rollbackError: z.string().nullable(),
    approvalNeeded: z.string().nullable(),
    failedStep: z.string().nullable(),
    errorCode: z.string().nullable(),
    error: z.string().nullable(),
    logsTail: z.string().nullable(),
    startedAt: timestamp,
    finishedAt: timestamp.nullable(),
    durationMs: z.int().min(0),
    planHash: z.string().optional().describe('with --check: what --plan expects'),
    steps: z.array(stepReportSchema),
  })
  .describe('The last line of every hostops run, after OPENCLAW_RESULT_JSON:')

export type Report = z.infer<typeof reportSchema>
export type StepReport = z.infer<typeof stepReportSchema>
