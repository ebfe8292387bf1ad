import * as z from 'zod'
import { durationSchema } from '../../duration.ts'
import { once } from '../contract/once.ts'
import { plainText } from '../contract/plain-text.ts'
import type { StepKind } from '../contract/step.ts'
import { compose, composeArgv, servicesField, stackFacts, stackFields } from './compose.ts'
import { runningStack } from './running-stack.ts'

const schema = once(() =>
  z.strictObject({
    ...stackFields(),
    services: servicesField(),
    tail: z.int().min(1).max(10_000).default(100).describe('How many last lines of each container.'),
    since: durationSchema().optional().describe('Only what is younger than this.'),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

export const composeLogs: StepKind<With> = {
  uses: 'compose.logs',
  summary: 'Shows the last lines that the containers wrote.',
  schema,
  outputs: { text: 'string' },
  timeoutMs: 60_000,
  plan: {
    effect: () => 'read',
    about: stackFacts,
    commands: input => [{ argv: composeArgv(input, logsArgs(input)), cwd: input.dir }],
  },
  act: {
    async run(ctx, input) {
      const stack = await runningStack(ctx, input, input.services)
      const done = await compose(ctx, stack, logsArgs(input), { repeatable: true, keepBytes: 1024 * 1024 })
      return { changed: false, outputs: { text: plainText(done.stdout) } }
    },
  },
}

const logsArgs = (input: With) => [
  'logs',
  '--no-color',
  ...['--tail', String(input.tail)],
  ...(input.since === undefined ? [] : ['--since', input.since]),
  ...input.services,
]
