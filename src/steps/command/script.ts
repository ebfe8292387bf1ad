import * as z from 'zod'
import { once } from '../contract/once.ts'
import { scriptText, shellField } from '../contract/schema-fields.ts'
import type { StepKind } from '../contract/step.ts'
import { ownCommand, ownFields, shellArgv } from './own-command.ts'

const schema = once(() => z.strictObject({ script: scriptText(), shell: shellField(), ...ownFields() }))

export const script: StepKind<z.infer<ReturnType<typeof schema>>> = {
  uses: 'script',
  summary: 'Runs a fixed piece of shell text; values reach it through env only.',
  schema,
  timeoutMs: 5 * 60_000,
  ...ownCommand<z.infer<ReturnType<typeof schema>>>(input => shellArgv(input.shell, input.script)),
}
