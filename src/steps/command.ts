import * as z from 'zod'
import { argv } from './fields.ts'
import { ownCommand, ownFields } from './own-command.ts'
import type { StepKind } from './step.ts'

const schema = z.strictObject({
  argv: argv().describe('The program and its arguments, each as one word. No shell takes part.'),
  ...ownFields(),
})

export const command: StepKind<z.infer<typeof schema>> = {
  uses: 'command',
  summary: 'Runs one program, without a shell.',
  schema,
  timeoutMs: 10 * 60_000,
  ...ownCommand<z.infer<typeof schema>>(input => input.argv),
}
