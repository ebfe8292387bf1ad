/** Where expressions may stand, and what they may refer to there: only what is known by then. */

import type { Path, YamlFile } from '../document/yaml-file.ts'
import type { Allows, SiteRules } from './expression-sites.ts'
import type { OutlinedStep } from './load-steps.ts'
import type { ExpressionTypes, Reference } from './reference.ts'

/** What must be known before the run: everything else on a step belongs to its kind. */
const LITERAL_STEP_KEYS = new Set<unknown>(['id', 'name', 'uses', 'timeout', 'retry', 'continueOnError'])

export function expressionRules(
  file: YamlFile,
  outline: readonly OutlinedStep[],
  types: ExpressionTypes,
): SiteRules {
  const names = Object.keys(types.inputs)
  return {
    types,
    opaque: new Set(outline.filter(step => step.kind === null).map(step => step.id)),
    allowsAt(path) {
      const [first, second, third] = path
      if (first === 'inputs' && third === 'default' && path.length === 3) {
        return inputsAbove(file, String(second), names)
      }
      if (first === 'defaults')
        return withoutSteps('`defaults` cannot refer to steps', 'put it into the step that needs it')
      if (first === 'onFailure') return withoutSteps('this is decided before the first step runs')
      if (first === 'steps' && !LITERAL_STEP_KEYS.has(third)) return stepsAbove(file, outline, Number(second))
      return null
    },
  }
}

function withoutSteps(message: string, hint?: string): Allows {
  return ({ root, start, end }) =>
    root === 'steps' ? { message, start, end, ...(hint === undefined ? {} : { hint }) } : null
}

function stepsAbove(file: YamlFile, outline: readonly OutlinedStep[], index: number): Allows {
  return ({ root, name, start, end }) => {
    if (root !== 'steps') return null
    const other = outline.find(step => step.id === name)
    if (other === undefined || other.index < index) return null
    if (other.index === index) return { message: 'a step cannot refer to itself', start, end }
    const related = [{ ...file.place(placeOf(other)), message: `\`${name}\` is here` }]
    return { message: `step \`${name}\` runs later than this one`, start, end, related }
  }
}

function placeOf({ index, form }: OutlinedStep): Path {
  return form === null ? ['steps', index] : ['steps', index, form]
}

/** Only inputs that stand above, so that defaults cannot go in circles. */
function inputsAbove(file: YamlFile, input: string, names: readonly string[]): Allows {
  return ({ root, name, start, end }: Reference) => {
    if (root !== 'inputs') return { message: 'a default can only refer to inputs', start, end }
    if (name === input) return { message: 'an input cannot be its own default', start, end }
    if (names.indexOf(name) < names.indexOf(input)) return null
    const related = [{ ...file.keyPlace(['inputs', name]), message: `\`${name}\` is here` }]
    const hint = `move \`${name}\` above \`${input}\``
    return { message: `a default can only refer to inputs that stand above it`, start, end, hint, related }
  }
}
