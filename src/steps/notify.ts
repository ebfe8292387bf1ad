import * as z from 'zod'
import { Failed } from '../failure.ts'
import { succeed } from './command/run-command.ts'
import { once } from './contract/once.ts'
import { argv } from './contract/schema-fields.ts'
import type { StepContext, StepKind } from './contract/step.ts'
import { curlArgv, fetchAnswer, type HttpRequest, urlField } from './health/curl.ts'

const schema = once(() =>
  z
    .strictObject({
      message: z
        .string()
        .max(64 * 1024)
        .describe('What to tell.'),
      command: argv()
        .optional()
        .describe('A program on the target; it finds the text in the variable HOSTOPS_MESSAGE.'),
      url: urlField()
        .optional()
        .describe(
          'A webhook; it gets a JSON object with text, message, runId and step by POST, from the target.',
        ),
      required: z.boolean().default(false).describe('Whether the step fails when nobody could be told.'),
    })
    .refine(given => (given.command === undefined) !== (given.url === undefined), {
      message: 'either a command or a url',
      path: ['command'],
    }),
)
type With = z.infer<ReturnType<typeof schema>>

export const notify: StepKind<With> = {
  uses: 'notify',
  summary: 'Tells somebody, by a command or a webhook. Fails only when it is required to work.',
  schema,
  outputs: { delivered: 'bool' },
  timeoutMs: 60_000,
  plan: {
    // It tells of the host and leaves it as it is.
    effect: () => 'read',
    commands: input => [
      {
        argv: input.url === undefined ? (input.command ?? []) : curlArgv(post(input, 'RUN', 'STEP')),
      },
    ],
  },
  act: {
    async run(ctx, input) {
      const problem = await deliver(ctx, input)
      if (problem !== null) {
        if (input.required) throw problem
        ctx.say(`nobody was told: ${problem.failure.code}`)
      }
      return { changed: false, outputs: { delivered: problem === null } }
    },
  },
}

async function deliver(ctx: StepContext, input: With): Promise<Failed | null> {
  try {
    if (input.command !== undefined) {
      await succeed(ctx, { argv: input.command, env: { HOSTOPS_MESSAGE: input.message } })
      return null
    }
    const sent = post(input, ctx.runId, ctx.stepId)
    const { problem: last } = await fetchAnswer(ctx, sent, { status: '2xx' })
    if (last === null) return null
    // Without the URL: webhooks carry their secret in it.
    const probes = [{ url: new URL(sent.url).origin, ok: false, last }]
    return new Failed({ code: 'unhealthy', probes, timeoutMs: sent.timeoutMs })
  } catch (error) {
    if (error instanceof Failed && !STOPS.has(error.failure.code)) return error
    throw error
  }
}

/** Of the run and of the link: never for a notification to swallow. */
const STOPS = new Set(['interrupted', 'run-timeout', 'link-lost', 'unreachable', 'auth-failed'])

const post = (input: With, runId: string, step: string): HttpRequest => ({
  url: input.url ?? '',
  timeoutMs: 15_000,
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ text: input.message, message: input.message, runId, step }),
})
