/** What was asked for in the wrong way: nothing was contacted yet. */
import type { AskingFailure, InputProblem } from '../failure.ts'
import { count, quoted, type Words } from './phrases.ts'

export const ASKING: Words<AskingFailure> = {
  usage: failure => ({ message: failure.problem, ...(failure.hint ? { hint: failure.hint } : {}) }),
  'playbook-not-found': failure => ({
    message: `no playbook ${quoted(failure.name)}; looked in ${failure.searched.join(', ')}`,
    hint: failure.suggestion
      ? `did you mean ${quoted(failure.suggestion)}?`
      : failure.host
        ? `hostops run ${failure.name} --target ${failure.host} --on-host   runs one that is installed there; hostops list --target ${failure.host} shows those`
        : 'hostops list   shows the playbooks that there are',
  }),
  'playbook-unreadable': failure => ({
    message: `${failure.file}: ${failure.problem}`,
    hint: 'name the file of one playbook, or a name that hostops list shows',
  }),
  'playbook-invalid': failure => ({
    message:
      failure.diagnostics === 1
        ? `${failure.file}:${failure.first}`
        : `${failure.file}: ${count(failure.diagnostics, 'mistake')}, the first one: ${failure.first}`,
    hint: `hostops validate ${failure.file}`,
  }),
  'inputs-invalid': failure => ({
    message: failure.problems.map(inputProblem).join('; '),
    hint: failure.takes
      ? `give them as -i key=value; it takes ${failure.takes.join(', ') || 'none'}`
      : `hostops show ${failure.playbook ?? 'NAME'}   lists the inputs with their types; give them as -i key=value`,
  }),
  'settings-invalid': failure => ({ message: `${failure.file}: ${failure.problems.join('; ')}` }),
}

function inputProblem(problem: InputProblem): string {
  return `${whatIsWrong(problem)}${problem.inSettings ? ' (in the settings)' : ''}`
}

function whatIsWrong(problem: InputProblem): string {
  const suggestion = problem.suggestion ? ` (did you mean ${quoted(problem.suggestion)}?)` : ''
  switch (problem.problem) {
    case 'unknown':
      return `unknown input ${quoted(problem.input)}${suggestion}`
    case 'missing':
      return `missing input ${quoted(problem.input)}: ${problem.detail}`
    case 'ill-typed':
      return `input ${quoted(problem.input)}: ${problem.detail}`
    case 'pinned':
      return `input ${quoted(problem.input)} is pinned: ${problem.detail}`
    case 'given-twice':
      return `input ${quoted(problem.input)} is given twice`
    case 'unreadable':
      return `${problem.input.startsWith('-') ? problem.input : `input ${quoted(problem.input)}`}: ${problem.detail}`
  }
}
