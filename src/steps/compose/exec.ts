import * as z from 'zod'
import { ownCommand, ownFields } from '../command/own-command.ts'
import { once } from '../contract/once.ts'
import { argv } from '../contract/schema-fields.ts'
import type { StepKind } from '../contract/step.ts'
import { composeArgv, loadable, SERVICE, stackFields, stackLock, withoutWarnings } from './compose.ts'
import { plainStack, runningStack } from './running-stack.ts'

const schema = once(() =>
  z.strictObject({
    ...stackFields(),
    service: z
      .string()
      .regex(SERVICE, 'the name of a service')
      .describe('The service whose container runs it.'),
    argv: argv().describe('The program and its arguments inside the container. No shell takes part.'),
    user: z
      .string()
      .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/, 'a user, or user:group')
      .optional()
      .describe('User inside the container.'),
    workdir: z
      .string()
      .regex(/^\/[^\u0000-\u001f\u007f]*$/, 'an absolute path')
      .optional()
      .describe('Folder inside the container.'),
    index: z.int().min(1).optional().describe('Which replica, counted from 1.'),
    ...ownFields(),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

// `undo` and `reactivate` are commands of the target, so that they work when the container does not.
const own = ownCommand<With>(execArgv, async (ctx, input) => {
  const stack = await runningStack(ctx, input, [input.service])
  await loadable(ctx, stack)
  return { ...input, ...plainStack(stack) }
})

export const composeExec: StepKind<With> = {
  uses: 'compose.exec',
  summary: 'Runs a program in the container of a service, without a terminal.',
  schema,
  timeoutMs: 5 * 60_000,
  ...own,
  plan: { ...own.plan, locks: input => [stackLock(input)] },
}

function execArgv(input: With): string[] {
  const argv = composeArgv(input, [
    'exec',
    '-T',
    ...(input.user === undefined ? [] : ['--user', input.user]),
    ...(input.workdir === undefined ? [] : ['--workdir', input.workdir]),
    ...(input.index === undefined ? [] : ['--index', String(input.index)]),
    input.service,
    ...input.argv,
  ])
  return withoutWarnings(argv)
}
