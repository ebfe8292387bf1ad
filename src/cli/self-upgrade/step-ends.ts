/** What a step of a plan stops, replaces or removes, as far as its words tell before anything has run. Pure. */
import type { PlannedStep } from '../../engine/plan.ts'
import { shellArgv } from '../../steps/command/own-command.ts'
import { composeArgv } from '../../steps/compose/compose.ts'
import { composeRollout } from '../../steps/compose/rollout.ts'
import { composeUp } from '../../steps/compose/up.ts'
import { canonicalPath } from '../../steps/fields.ts'
import { commandEnds } from './command-ends.ts'
import { commandText, type Ends } from './ends.ts'
import { type Ran, UNKNOWN } from './place.ts'
import { whatItRuns } from './what-it-runs.ts'

export type StepEnds = {
  step: string
  ends: Ends[]
  /** Commands that may end something, which is known only when they run. */
  unclear: string[]
}

export function stepEnds(step: PlannedStep): StepEnds {
  const { id, uses } = step
  if (step.when === false) return { step: id, ends: [], unclear: [] }
  const replaced = REPLACING.flatMap(kind => (kind.uses === uses ? [replacedBy(kind, step)] : []))
  const runs = commandsOf(step).map(each => whatItRuns(each))
  const commands = runs.flatMap(each => each.commands).map(ran => ({ ran, ...commandEnds(ran) }))
  // What the author declares to change nothing is believed where nothing speaks against it.
  const opaque =
    uses === 'notify' || fieldsOf(step).effect === 'read' ? [] : runs.flatMap(each => each.opaque)
  const unclear = [...commands.filter(({ more }) => more).map(({ ran }) => ran), ...opaque]
  return {
    step: id,
    ends: [...replaced.flatMap(({ ends }) => ends), ...commands.flatMap(({ ends }) => ends)],
    unclear: [...replaced.flatMap(({ unclear }) => unclear), ...new Set(unclear.map(commandText))],
  }
}

const fieldsOf = (step: PlannedStep) => step.with as { [field: string]: unknown }

/** What it begins with; the way back counts too: it would be cut off as well. */
function commandsOf(step: PlannedStep): Ran[] {
  const given = fieldsOf(step)
  const cwd = step.cwd == null ? undefined : wordOf(step.cwd)
  const env = new Map(Object.entries(step.env ?? {}).map(([name, value]) => [name, wordOf(value)]))
  const commands = (): unknown[] => {
    switch (step.uses) {
      case 'command':
        return [given.argv, given.undo, given.reactivate]
      case 'script':
        return [given, given.undo, given.reactivate]
      case 'compose.exec':
        return [given.undo, given.reactivate]
      case 'compose.rollout':
        return [given.switch]
      case 'notify':
        return [given.command]
      default:
        return []
    }
  }
  return commands().flatMap(command => {
    const argv = argvOf(command)
    return argv === null ? [] : [{ argv, cwd, env }]
  })
}

function argvOf(command: unknown): string[] | null {
  if (Array.isArray(command)) return command.map(wordOf)
  if (typeof command !== 'object' || command === null) return null
  const { script, shell } = command as { script?: unknown; shell?: unknown }
  if (typeof script === 'string')
    return shellArgv(shell === 'bash' || shell === 'pwsh' ? shell : 'sh', script)
  return '$expr' in command || '$text' in command ? [UNKNOWN] : null
}

const wordOf = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : UNKNOWN

const REPLACING = [composeUp, composeRollout] as const

function replacedBy(
  { schema, uses }: (typeof REPLACING)[number],
  { with: given, env }: PlannedStep,
): Pick<StepEnds, 'ends' | 'unclear'> {
  const input = schema.safeParse(given)
  if (!input.success) return { ends: [], unclear: [uses] }
  const { data } = input
  const folder = canonicalPath(data.dir)
  const known = Object.entries(env ?? {}).filter(
    (pair): pair is [string, string] => typeof pair[1] === 'string',
  )
  const ends: Ends = {
    kind: 'project',
    config: {
      argv: composeArgv(data, ['config', '--format', 'json']),
      cwd: folder,
      env: Object.fromEntries(known),
    },
    project: data.project ?? null,
    folder,
    services: data.services,
    dependencies: true,
  }
  return { ends: [ends], unclear: [] }
}
