/** Steps of the playbook's own that a rollback can do nothing about: warnings, since not all of them change something. */
import { type Diagnostic, warning } from '../document/diagnostic.ts'
import { keysAt } from '../document/schema-keys.ts'
import type { YamlFile } from '../document/yaml-file.ts'
import { mergeWith, type OutlinedStep } from './load-steps.ts'
import type { RawStep } from './playbook-schema.ts'

/** Only for a playbook without mistakes. */
export function wayBackWarnings(
  raw: readonly RawStep[],
  outline: readonly OutlinedStep[],
  defaults: Record<string, unknown>,
  file: YamlFile,
): Diagnostic[] {
  return outline.flatMap(step => {
    const kind = step.kind!
    if (!keysAt(kind.schema(), []).includes('undo')) return []
    const consequence = pastIt(mergeWith(raw[step.index]!, step, kind, defaults).value)
    if (consequence === null) return []
    const place = file.place(['steps', step.index, step.form ?? 'uses'])
    const message = `\`${step.id}\` has no way back: a rollback past it ${consequence}`
    return [{ ...warning('no-way-back', place, message, HINT), step: step.id }]
  })
}

/** What an expression decides is not known here. */
function pastIt(given: Record<string, unknown>): string | null {
  const { effect = 'write', changed, undo, reactivate, verify } = given
  if ((effect !== 'write' && effect !== 'disrupt') || changed === false) return null
  if (undo !== undefined || reactivate !== undefined) return null
  if (verify !== undefined) return 'can only look whether the host is as before'
  return changed === true
    ? 'reports that the host is not as before'
    : 'cannot tell whether the host is as before'
}

const HINT = 'add `undo:`, or `effect: read` if it changes nothing, or `effect: irreversible`'
