/** From a name and options to a plan. Contacts nothing. */
import type { Diagnostic } from '../document/diagnostic.ts'
import type { Json } from '../document/json.ts'
import { parseDuration } from '../duration.ts'
import { makePlan } from '../engine/make-plan.ts'
import type { Plan } from '../engine/plan.ts'
import type { Warning } from '../engine/run-input.ts'
import type { Failure } from '../failure.ts'
import { findPlaybook } from '../playbook/catalog.ts'
import { resolveInputs } from '../playbook/inputs.ts'
import { loadPlaybook } from '../playbook/load.ts'
import type { Playbook } from '../playbook/playbook.ts'
import type { Settings } from '../playbook/settings.ts'
import type { Surroundings } from '../process/surroundings.ts'
import { kinds } from '../steps/index.ts'
import { hasShell } from '../transport/target.ts'
import { targetFailure } from './connect-to.ts'
import { environment } from './environment.ts'
import type { StartOptions } from './start-options.ts'

export type Prepared = {
  ok: true
  playbook: Playbook
  inputs: { [name: string]: Json }
  env: { [name: string]: string }
  plan: Plan
  /** What the playbook itself lets one know, with its line. */
  warnings: Warning[]
}

/** `name` and `target` as far as they are known. */
type NotPrepared = {
  ok: false
  failure: Failure
  name: string | null
  target: string | null
  diagnostics: readonly Diagnostic[]
}

export async function prepare(
  name: string,
  options: StartOptions,
  settings: Settings,
  around: Surroundings,
): Promise<Prepared | NotPrepared> {
  const known = { name: null as string | null, target: options.target ?? settings.target ?? null }
  const not = (failure: Failure, diagnostics: readonly Diagnostic[] = []): NotPrepared => ({
    ...{ ok: false, failure, diagnostics },
    ...known,
  })

  const found = findPlaybook(name, {
    playbooks: options.playbooks,
    settings,
    env: around.env,
    cwd: around.cwd,
  })
  if (!found.ok) return not(withHost(found.failure, known.target))
  const loaded = loadPlaybook(found.bytes, found.file, kinds)
  if (!loaded.ok) {
    const mistakes = loaded.diagnostics.filter(({ severity }) => severity === 'error')
    const [first] = mistakes
    const where = first ? `${first.start.line}:${first.start.column}: ${first.message}` : ''
    return not(
      { code: 'playbook-invalid', file: found.file, diagnostics: mistakes.length, first: where },
      loaded.diagnostics,
    )
  }
  const { playbook } = loaded
  known.name = playbook.name
  known.target = options.target ?? playbook.target ?? settings.target ?? 'local'

  const wrong = targetFailure(known.target)
  if (wrong !== null) return not(wrong)

  const inputs = await resolveInputs(playbook, {
    commandLine: options.input,
    inputsFile: options.inputs,
    settings: settings.inputs[playbook.name],
    pinned: settings.pinned[playbook.name],
    cwd: around.cwd,
  })
  // The file that runs on a host is nothing that its client could look at.
  const where = options.asHost ? { takes: taken(playbook) } : { playbook: name }
  if (!inputs.ok) return not({ code: 'inputs-invalid', problems: inputs.problems, ...where })

  const env = environment(playbook, around)
  const planned = makePlan({
    playbook,
    inputs: inputs.values,
    env,
    target: known.target,
    rollbackOnFailure: options.rollback ? undefined : false,
    allowDirty: options.allowDirty,
    hasShell: hasShell(known.target),
    timeoutMs: options.timeout === undefined ? undefined : (parseDuration(options.timeout) ?? undefined),
  })
  return planned.ok
    ? {
        ok: true,
        playbook,
        inputs: inputs.values,
        env,
        plan: planned.plan,
        warnings: stepWarnings(loaded.warnings),
      }
    : not(planned.failure)
}

/** A person may not see the file: its line stands in the text. */
const stepWarnings = (warnings: readonly Diagnostic[]): Warning[] =>
  warnings.flatMap(({ step, start, message }) =>
    step === undefined ? [] : [{ id: step, text: `line ${start.line}: ${message.replaceAll('`', '')}` }],
  )

/** A name may be that of a playbook which only the host has. */
const withHost = (failure: Failure, target: string | null): Failure =>
  failure.code === 'playbook-not-found' && target?.startsWith('hostlink') && !failure.name.includes('/')
    ? { ...failure, host: target }
    : failure

const taken = ({ inputs }: Playbook): string[] =>
  Object.entries(inputs).map(
    ([name, { type, optional, default: value }]) =>
      `${name} (${type}${optional || value !== undefined ? ', optional' : ''})`,
  )
