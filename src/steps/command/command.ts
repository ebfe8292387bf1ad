import * as z from 'zod'
import { argv } from '../fields.ts'
import type { StepKind } from '../step.ts'
import { once } from './once.ts'
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
  get schema() {
    return schema()
  },
  timeoutMs: 5 * 60_000,
  ...ownCommand<z.infer<ReturnType<typeof schema>>>(input => input.argv),
}
