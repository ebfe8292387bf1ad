/** A plan for people: each step with its exact commands, its effect and its undo; unknown stays unknown. */

import { printDuration } from '../../duration.ts'
import type { Plan, PlannedStep } from '../../engine/plan.ts'
import type { Warning } from '../../engine/run-input.ts'
import type { Template } from '../../playbook/playbook.ts'
import type { PlannedArg, PlannedCommand } from '../../steps/contract/step.ts'

export function printPlan(plan: Plan, warnings: readonly Warning[]): string {
  const lines = [`${plan.playbook} on ${plan.target}: nothing is contacted, nothing is executed`]
  plan.steps.forEach((step, at) => {
    const told = warnings.filter(({ id }) => id === step.id)
    lines.push('', ...printStep(step, at + 1), ...told.map(({ text }) => `   ${printText(text)}`))
  })
  const failure =
    plan.onFailure === 'rollback'
      ? `on failure: rollback, within ${printDuration(plan.rollbackTimeoutMs)}`
      : 'on failure: stop, nothing is taken back'
  lines.push('', failure, `timeout of the run: ${printDuration(plan.timeoutMs)}`)
  return `${lines.join('\n')}\n`
}

function printStep(step: PlannedStep, number: number): string[] {
  const title = step.name === step.id ? step.id : `${step.id}: ${printText(step.name)}`
  const kind = step.uses === step.id ? '' : ` (${step.uses})`
  return [
    `${number}. ${title}${kind}  [${step.effect ?? 'effect unknown'}]`,
    ...condition(step.when),
    ...step.commands.map(command => `   $ ${printCommand(command)}`),
    ...(step.commands.length === 0 ? ['   no command'] : []),
    ...step.undo.map(command => `   undo $ ${printCommand(command)}`),
    ...(step.verify ?? []).map(command => `   verify $ ${printCommand(command)}`),
    ...(step.undo.length === 0 && step.effect !== 'read' && step.effect !== 'fetch' ? ['   undo: none'] : []),
    `   ${limits(step)}`,
  ]
}

function condition(when: PlannedStep['when']): string[] {
  if (when === null || when === true) return []
  return when === false
    ? ['   skipped: its condition does not hold']
    : [`   only when ${printText(when.$expr)}`]
}

function limits(step: PlannedStep): string {
  const { attempts, delayMs, backoff } = step.retry
  const again =
    attempts > 1
      ? `, ${attempts} attempts ${printDuration(delayMs)} apart${backoff > 1 ? ` (times ${backoff})` : ''}`
      : ''
  const limitMs = Math.min(step.timeoutMs, step.limitMs ?? step.timeoutMs)
  return `timeout ${printDuration(limitMs)}${again}${step.continueOnError ? ', the run goes on when it fails' : ''}${where(step.cwd)}`
}

const where = (cwd: Template): string =>
  typeof cwd === 'string'
    ? `, in ${printText(cwd)}`
    : cwd === null
      ? ''
      : ', in a folder that is not known yet'

const printCommand = ({ argv, cwd }: PlannedCommand): string =>
  `${argv.map(printArg).join(' ')}${cwd === undefined ? '' : `   (in ${printArg(cwd)})`}`

function printArg(arg: PlannedArg): string {
  if (typeof arg !== 'string') return `<unknown: ${printText(arg.unknown)}>`
  if (/^[A-Za-z0-9_@%+=:,./~^-]+$/.test(arg)) return arg
  const shown = printText(arg)
  return shown === arg ? `'${arg.replaceAll("'", "'\\''")}'` : `$'${shown.replaceAll("'", "\\'")}'`
}

/** On one line and without anything that a terminal would act on. */
const printText = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, c => {
    if (c === '\n') return '\\n'
    if (c === '\t') return '\\t'
    return c.charCodeAt(0) < 256 ? `\\x${hex(c, 2)}` : `\\u${hex(c, 4)}`
  })

const hex = (c: string, digits: number) => c.charCodeAt(0).toString(16).padStart(digits, '0')
