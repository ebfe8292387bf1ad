/** What expressions may read at some moment, together with the types that the playbook promised for it. */
import type { Scope } from '../playbook/expression.ts'
import { expressionTypes } from '../playbook/load.ts'
import type { Playbook } from '../playbook/playbook.ts'
import type { RunInput } from './run-input.ts'

export const scopeOf = (playbook: Playbook, values: Omit<Scope, 'types'>): Scope => ({
  types: expressionTypes(playbook),
  ...values,
})

/** At the start of a run; the outputs of steps are added to `steps` as they come. */
export const scopeAtStart = (run: RunInput): Scope =>
  scopeOf(run.playbook, {
    inputs: run.inputs,
    env: run.env,
    run: { id: run.runId, target: run.plan.target },
    steps: {},
  })
