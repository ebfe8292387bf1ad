/** Mistakes in what was asked for: nothing was contacted yet. */
import { DURATION_HINT, TIME_LIMIT_HINT } from '../duration.ts'
import type { InputProblem, Mistake, UsageFailure } from '../failure.ts'
import { posixQuote } from '../transport/quote.ts'
import { count, quoted, type Worded, type Words } from './phrases.ts'

export const USAGE: Words<Exclude<UsageFailure, { code: 'usage' }>> = {
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

export function wordMistake(failure: Exclude<Mistake, { what: 'not-asked' }>, at: string): Worded {
  switch (failure.what) {
    case 'command-line':
      return { message: failure.problem, hint: failure.hint }
    case 'tool-call':
      return { message: `arguments of the tool: ${failure.problem}` }
    case 'option':
      return WANTED[failure.wants](failure.option)
    case 'playbooks-folder':
      return {
        message: `--playbooks: there is no folder ${quoted(failure.folder)}`,
        hint: 'name a folder that holds NAME.yaml files',
      }
    case 'options-exclude':
      return { message: `${failure.options.join(' and ')} exclude each other`, hint: 'give one of them' }
    case 'dry-run-on-host':
      return {
        message: '--dry-run contacts no host',
        hint: 'leave --on-host and --detach out, or ask the host with --check --on-host',
      }
    case 'not-at-host':
      return {
        message: `${failure.option} is for runs of this machine`,
        hint:
          failure.option === '--inputs'
            ? 'give a secret as -i NAME=@FILE'
            : `on the host: HOSTOPS_STATE_DIR=/var/lib/hostops hostops ${failure.verb} ${failure.run} --check (or what runs_state_dir in hostlink.conf says)`,
      }
    case 'report-file':
      return {
        message:
          failure.why === 'empty'
            ? '--report-file is empty'
            : `--report-file ${failure.file} ${REPORT_FILE[failure.why]}`,
        hint: 'name a file that can be written',
      }
    case 'report-not-written':
      return { message: `cannot write the report to ${failure.file}: ${failure.detail}` }
    case 'inputs-file':
      return { message: `--inputs ${failure.file}: ${failure.problem}` }
    case 'target':
      return { message: failure.reason, ...(failure.hint ? { hint: failure.hint } : {}) }
    case 'no-runs-at':
      return {
        message: `${failure.target} offers no runs on the host`,
        hint: 'they need hostops’ own hostlinkd there: --target hostlink (hostops doctor --target hostlink shows what it offers)',
      }
    case 'names-only':
      return {
        message: `${failure.target} runs the playbooks of its own host, by name: ${quoted(failure.given)} is a file`,
        hint: `hostops list --target ${failure.target}   shows them`,
      }
    case 'approval-wait':
      return {
        message: '--wait-approval is for OpenClaw nodes',
        hint: 'give --target node:NAME as well, or leave it out',
      }
    case 'refused-by':
      return { message: `${failure.target}: ${failure.message}` }
    case 'unreadable-answer':
      return { message: `what ${failure.from} tells of ${failure.of} cannot be read` }
    case 'no-playbook-at':
      return {
        message: `no playbook ${quoted(failure.name)} that this token may run at ${failure.target}`,
        hint: `hostops list --target ${failure.target}   shows those that there are`,
      }
    case 'no-run':
      return { message: `no run ${quoted(failure.given)} ${failure.place}`, hint: listing(at) }
    case 'many-runs':
      return {
        message: `${quoted(failure.given)} is the beginning of ${failure.matches.length} runs: ${failure.matches.slice(0, 5).join(', ')}`,
        hint: listing(at),
      }
    case 'no-run-yet':
      return { message: `there is no run yet ${failure.place}`, hint: listing(at) }
    case 'none-began':
      return {
        message: `no run has begun yet ${failure.place}; the last attempt is ${failure.attempt} (${failure.outcome})`,
        hint: `hostops report ${failure.attempt}${at}   shows it`,
      }
    case 'not-a-run':
      return { message: `what ${failure.folder} holds does not tell of a run`, hint: 'look into it' }
    case 'blocked': {
      const { attempt, error, run, verb } = failure
      return {
        message: `the last attempt, ${attempt}, was refused: ${error}`,
        hint:
          run === null
            ? `hostops report ${attempt}${at}`
            : `where that run is known: HOSTOPS_STATE_DIR=${run.state} hostops ${verb} ${run.runId}`,
      }
    }
    case 'run-id-used':
      return {
        message: `the run id ${failure.runId} is used already`,
        hint: `hostops report ${failure.runId}   tells how that run ended`,
      }
    case 'caller':
      return {
        message: `invalid --caller: ${failure.problem}`,
        hint: 'leave it out: hostlinkd gives it to the runs that it starts',
      }
    case 'newer-record':
      return {
        message: `run ${failure.runId} was begun by a newer hostops`,
        hint: 'go on with that version',
      }
    case 'record':
      return brokenRecord(failure)
    case 'not-ended':
      return {
        message: `what run ${failure.runId} has begun at ${failure.target} has not ended yet`,
        hint: `hostops wait ${failure.runId}   waits for its end`,
      }
    case 'secrets-needed':
      return {
        message: `run ${failure.runId} has secrets, and without them nobody can ask for its commands again`,
        hint: `hostops resume ${failure.runId} -i NAME=@FILE   goes on with it`,
      }
  }
}

const WANTED: Record<Extract<Mistake, { what: 'option' }>['wants'], (option: string) => Worded> = {
  duration: option => ({ message: `${option} is no duration`, hint: DURATION_HINT }),
  'time-limit': option => ({ message: `${option} is no time limit`, hint: TIME_LIMIT_HINT }),
  'run-id': option => ({
    message: `${option} is no run id`,
    hint: 'at most 64 letters, digits, dots, dashes and underscores, a letter or digit first',
  }),
  seq: option => ({
    message: `${option} takes the "seq" of an event`,
    hint: `hostops events RUN ${option} 20`,
  }),
  count: option => ({ message: `${option} takes a whole number from 1`, hint: `hostops runs ${option} 20` }),
}

const REPORT_FILE = {
  folder: 'is a folder',
  'no-folder': 'stands in a folder that does not exist',
  unwritable: 'stands in a folder that cannot be written to',
} as const

const listing = (at: string): string =>
  at === ''
    ? 'hostops runs   lists them; those of a host: hostops runs --target hostlink'
    : `hostops runs${at}   lists them`

function brokenRecord({ runId, folder, why }: Extract<Mistake, { what: 'record' }>): Worded {
  const message = {
    missing: `run ${runId} keeps no ${why.of}, so there is nothing to go on from`,
    unreadable: `the journal of run ${runId} cannot be read, so there is nothing to go on from`,
    another: `the ${why.of} of run ${runId} is not the one that it began with`,
  }[why.is]
  // There is no other way out of a run that nobody can continue any more.
  const hint = `look at the host: hostops report ${runId} tells what is known; once all is as it should be, give the run up: rm -r ${posixQuote(folder)}`
  return { message, hint }
}
