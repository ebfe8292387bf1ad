/** What `command` and `script` share: effect, undo, reactivate, and what a command's end means. */
import * as z from 'zod'
import { Failed } from '../../failure.ts'
import { argv, scriptText, shellField } from '../fields.ts'
import { plainText } from '../plain-text.ts'
import type { Done, Effect, Json, PlannedCommand, StepContext, StepResult } from '../step.ts'
import { succeed } from './run-command.ts'

const STDOUT_LIMIT = 64 * 1024

const ownScript = () => z.strictObject({ script: scriptText(), shell: shellField() })
type OwnScript = z.infer<ReturnType<typeof ownScript>>

export const ownFields = () => ({
  effect: z
    .enum(['read', 'write', 'disrupt', 'irreversible'])
    .default('write')
    .describe(
      'What it does to the host. read: nothing; write: changes files or images; disrupt: interrupts the running system; irreversible: automatic rollback never goes past it.',
    ),
  undo: z
    .union([argv(), ownScript()])
    .optional()
    .describe('How a rollback takes it back: a command, or { script, shell }. Must be safe to run twice.'),
  reactivate: z
    .union([z.literal(true), argv(), ownScript()])
    .optional()
    .describe(
      'How a rollback makes the running system follow the restored state: true runs the same again, or another command. Must be safe to run twice.',
    ),
  changed: z
    .boolean()
    .optional()
    .describe('Whether success means that the host has changed. Default: yes, unless effect is read.'),
})

export type Own = {
  effect: Effect
  undo?: string[] | OwnScript | undefined
  reactivate?: true | string[] | OwnScript | undefined
  changed?: boolean | undefined
}

/** The behaviour of a kind whose command is `argvOf(input)`. */
export function ownCommand<W extends Own>(argvOf: (input: W) => string[]) {
  const undoArgv = (input: W) => (input.undo === undefined ? null : words(input.undo))
  const reactivateArgv = (input: W) => {
    if (input.reactivate === undefined) return null
    return input.reactivate === true ? argvOf(input) : words(input.reactivate)
  }
  const observed = (input: W) => input.changed ?? input.effect !== 'read'

  return {
    outputs: { exitCode: 'int', stdout: 'string', json: 'map' },
    effect: (input: W): Effect => input.effect,
    commands: (input: W): PlannedCommand[] => [{ argv: argvOf(input) }],
    undoCommands: (input: W): PlannedCommand[] =>
      [undoArgv(input), reactivateArgv(input)].flatMap(command => (command ? [{ argv: command }] : [])),
    async run(ctx: StepContext, input: W): Promise<StepResult> {
      const request = { argv: argvOf(input), repeatable: input.effect === 'read' }
      return { changed: observed(input), outputs: outputsOf(ctx, await succeed(ctx, request)) }
    },
    async restore(ctx: StepContext, input: W): Promise<StepResult> {
      const undo = undoArgv(input)
      if (undo !== null) await succeed(ctx, { argv: undo })
      else if (observed(input) && leavesState(input)) throw noUndo(ctx)
      return { changed: undo !== null }
    },
    follows: (input: W): boolean => reactivateArgv(input) !== null,
    async reactivate(ctx: StepContext, input: W): Promise<StepResult> {
      const again = reactivateArgv(input)
      if (again !== null) await succeed(ctx, { argv: again })
      return { changed: again !== null }
    },
  } as const
}

/** `-c` takes the text as one argument; nothing is ever put into it. */
export function shellArgv(shell: OwnScript['shell'], text: string): string[] {
  switch (shell) {
    case 'sh':
    case 'bash':
      return [shell, '-c', text]
    case 'pwsh':
      return ['pwsh', '-NoProfile', '-NonInteractive', '-Command', text]
  }
}

const words = (command: string[] | OwnScript) =>
  Array.isArray(command) ? command : shellArgv(command.shell, command.script)

/** A restart leaves nothing behind that doing it again would not take back; what writes does. */
const leavesState = ({ effect, reactivate }: Own): boolean =>
  effect !== 'read' && !(effect === 'disrupt' && reactivate !== undefined)

const noUndo = (ctx: StepContext) =>
  new Failed({
    code: 'not-restored',
    step: ctx.stepId,
    problem: 'it has no undo, so what it changed remains',
  })

/** `json` is there when stdout is one JSON object that was kept whole. */
function outputsOf(ctx: StepContext, done: Done): Record<string, Json> {
  const stdout = plainText(done.stdout).trim()
  const looksLikeJson = stdout.startsWith('{')
  const isCut = done.truncated.stdout
  if (looksLikeJson && isCut) ctx.say('its output is larger than 1 MiB: no json')
  const json = looksLikeJson && !isCut ? parsed(stdout) : null
  const short = stdout.length > STDOUT_LIMIT ? ctx.redact(stdout).slice(0, STDOUT_LIMIT) : stdout
  return { exitCode: done.code, stdout: short, ...(json === null ? {} : { json }) }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return null
  }
}
