import * as z from 'zod'
import { once } from '../contract/once.ts'
import { argv } from '../contract/schema-fields.ts'
import type { StepKind } from '../contract/step.ts'
import { ownCommand, ownFields } from './own-command.ts'

const schema = once(() =>
  z.strictObject({
    argv: argv().describe('The program and its arguments, each as one word. No shell takes part.'),
    ...ownFields(),
  }),
)

export const command: StepKind<z.infer<ReturnType<typeof schema>>> = {
  uses: 'command',
  summary: 'Runs one program, without a shell.',
  schema,
  timeoutMs: 5 * 60_000,
  ...ownCommand<z.infer<ReturnType<typeof schema>>>(input => input.argv),
}
