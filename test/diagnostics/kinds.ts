/** A few step kinds of every shape, so that diagnostics do not change whenever a real kind does. */
import * as z from 'zod'
import { durationSchema } from '../../src/duration.ts'
import type { OutputType, StepKind } from '../../src/steps/contract/step.ts'

function kind(uses: string, schema: z.ZodType, outputs: Record<string, OutputType> = {}): StepKind {
  return {
    uses,
    summary: uses,
    schema: () => schema,
    outputs,
    timeoutMs: 1000,
    plan: {
      effect: () => 'read',
      commands: () => [],
    },
    act: {
      run: async () => ({ changed: false }),
    },
  }
}

const text = z.string().min(1).meta({ literal: 'pass values through `env:` and read them there as "$NAME"' })
const own = {
  effect: z.enum(['read', 'write', 'disrupt', 'irreversible']).default('write'),
  undo: z
    .union([
      z.array(z.string()).min(1),
      z.strictObject({ script: text, shell: z.enum(['sh', 'bash', 'pwsh']) }),
    ])
    .optional(),
  reactivate: z.union([z.literal(true), z.array(z.string()).min(1)]).optional(),
}

export const fixtureKinds: Record<string, StepKind> = {
  command: kind('command', z.strictObject({ argv: z.array(z.string()).min(1), ...own }), {
    stdout: 'string',
    code: 'int',
  }),
  script: kind(
    'script',
    z.strictObject({ script: text, shell: z.enum(['sh', 'bash', 'pwsh']).default('sh'), ...own }),
    {
      stdout: 'string',
    },
  ),
  'git.fetch': kind('git.fetch', z.strictObject({ repo: z.string(), remote: z.string().default('origin') }), {
    sha: 'string',
  }),
  'git.checkout': kind(
    'git.checkout',
    z.strictObject({
      repo: z.string(),
      ref: z.string(),
      pull: z.enum(['ff-only', 'never']).default('ff-only'),
      force: z.boolean().optional(),
    }),
    { sha: 'string', commits: 'int' },
  ),
  'health.poll': kind(
    'health.poll',
    z.strictObject({
      urls: z.array(z.string()).min(1, 'at least one URL'),
      timeout: durationSchema().default('60s'),
      successes: z.int().min(1, 'at least 1').optional(),
      expect: z
        .strictObject({
          json: z.string().optional(),
          equals: z.json().optional(),
          status: z.int().optional(),
        })
        .optional(),
    }),
    { healthy: 'bool', answers: 'list', json: 'map' },
  ),
}
