/** What `command`, `script` and `compose.exec` share: effect, undo, reactivate, verify, and what a command's end means. */
import * as z from 'zod'
import { type Json, parseJson } from '../../document/json.ts'
import { plainText } from '../contract/plain-text.ts'
import { argv, scriptText, shellField } from '../contract/schema-fields.ts'
import type { CommandRequest, Done, Effect, StepContext, StepKind } from '../contract/step.ts'
import { commandFailed, succeed } from './run-command.ts'

const STDOUT_LIMIT = 64 * 1024
const TARGET_LIMIT = 200

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
  verify: z
    .union([argv(), ownScript()])
    .optional()
    .describe(
      'A read-only command, or { script, shell }, that must succeed once the step is undone. Without it nobody knows whether the undo has worked.',
    ),
  endsRunner: z
    .literal('never')
    .optional()
    .describe(
      'never: the step does not end the container that hostops runs in. Needed only in a container, unless effect is read or the run is on the host.',
    ),
  changed: z
    .boolean()
    .optional()
    .describe(
      'Whether success means that the host has changed. Default: not known (null in the report), unless effect is read. Written out as true, a rollback without undo reports that the host is not as before.',
    ),
})

export type OwnFields = {
  effect: Effect
  undo?: string[] | OwnScript | undefined
  reactivate?: true | string[] | OwnScript | undefined
  verify?: string[] | OwnScript | undefined
  endsRunner?: 'never' | undefined
  changed?: boolean | undefined
}

/** The behaviour of a kind whose command is `argvOf(input)`, once the target has told what `input` leaves open. */
export function ownCommand<W extends OwnFields>(
  argvOf: (input: W) => string[],
  complete: (ctx: StepContext, input: W) => Promise<W> = async (_ctx, input) => input,
): Omit<StepKind<W>, 'uses' | 'summary' | 'schema' | 'timeoutMs'> {
  const undoArgv = (input: W) => (input.undo === undefined ? null : words(input.undo))
  const reactivateArgv = (input: W) => {
    if (input.reactivate === undefined) return null
    return input.reactivate === true ? argvOf(input) : words(input.reactivate)
  }

  return {
    outputs: { exitCode: 'int', stdout: 'string', json: 'map' },
    plan: {
      effect: input => input.effect,
      commands: input => [{ argv: argvOf(input) }],
      undoCommands: input =>
        [undoArgv(input), reactivateArgv(input)].flatMap(command => (command ? [{ argv: command }] : [])),
      verifyCommands: input => (input.verify === undefined ? [] : [{ argv: words(input.verify) }]),
      moves: input => [
        ...(undoArgv(input) === null ? [] : ['restore' as const]),
        ...(reactivateArgv(input) === null ? [] : ['reactivate' as const]),
        ...(input.verify === undefined ? [] : ['verify' as const]),
      ],
      // What is not written out is not known; a check of its own will see.
      leaves: input => input.changed === true && input.verify === undefined,
    },
    act: {
      async run(ctx, input) {
        const isRead = input.effect === 'read'
        const request = { argv: argvOf(await complete(ctx, input)), repeatable: isRead }
        const done = isRead ? await look(ctx, request) : await succeed(ctx, request)
        return { changed: input.changed ?? (isRead ? false : null), outputs: outputsOf(ctx, done) }
      },
    },
    undo: {
      async restore(ctx, input) {
        const undo = undoArgv(input)
        if (undo !== null) await succeed(ctx, { argv: undo })
        return { changed: undo !== null }
      },
      async reactivate(ctx, input) {
        const again = reactivateArgv(input.reactivate === true ? await complete(ctx, input) : input)
        if (again !== null) await succeed(ctx, { argv: again })
        return { changed: again !== null }
      },
      async verify(ctx, input) {
        if (input.verify !== undefined) await look(ctx, { argv: words(input.verify), repeatable: true })
        return { changed: false }
      },
    },
  }
}

/** A command that only reads, and has to succeed. */
async function look(ctx: StepContext, request: CommandRequest): Promise<Done> {
  const done = await ctx.exec(request)
  const ok = done.code === 0 && done.signal === null
  const target = ctx.redact(request.argv.join(' ').replace(/\s+/g, ' ')).slice(0, TARGET_LIMIT)
  const saw = done.signal === null ? `exit code ${done.code}` : `ended by ${done.signal}`
  ctx.saw({ what: 'command', target, saw, ok })
  if (!ok) throw commandFailed(request.argv, done)
  return done
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

/** `json` is there when stdout is one JSON object that was kept whole. */
function outputsOf(ctx: StepContext, done: Done): Record<string, Json> {
  const stdout = plainText(done.stdout).trim()
  const looksLikeJson = stdout.startsWith('{')
  const isCut = done.truncated.stdout
  if (looksLikeJson && isCut) ctx.say('its output is larger than 1 MiB: no json')
  const json = looksLikeJson && !isCut ? parseJson(stdout) : undefined
  const short = stdout.length > STDOUT_LIMIT ? ctx.redact(stdout).slice(0, STDOUT_LIMIT) : stdout
  return { exitCode: done.code, stdout: short, ...(json === undefined ? {} : { json }) }
}
