/** Words for mistakes on the command line and in the settings; loaded only when there is one. */

import { nearest } from '../../document/nearest.ts'
import type { EndpointProblem } from '../link/endpoint.ts'
import type { TargetsProblem } from '../link/targets.ts'
import { longOptions, type OptionProblem } from './options.ts'
import { messageLines } from './wording.ts'

const COMMANDS = ['exec', 'ping', 'targets', 'job']
export const JOB_ACTIONS = ['list', 'status', 'tail', 'wait', 'cancel']

export function wordOption(problem: OptionProblem): string {
  switch (problem.kind) {
    case 'unknown-option': {
      const near = problem.name.startsWith('--') ? nearest(problem.name, longOptions()) : undefined
      return messageLines(
        `unknown option ${problem.name}`,
        near ? `did you mean ${near}?` : 'hostlink --help lists them',
      )
    }
    case 'missing-value':
      return messageLines(`${problem.name} needs a value`, 'hostlink --help shows which')
    case 'needless-value':
      return messageLines(`${problem.name} takes no value`)
    case 'bad-value':
      return messageLines(`${problem.name} "${problem.value}" is not ${problem.wanted}`)
  }
}

export function wordCommand(command: string | null): string {
  if (command === null)
    return messageLines('no subcommand', `one of ${COMMANDS.join(', ')}; hostlink --help tells more`)
  const near = nearest(command, COMMANDS)
  const hint = near ? `did you mean hostlink ${near}?` : `to run it: hostlink exec "${command}"`
  return messageLines(`unknown subcommand "${command}"`, hint)
}

export function wordEndpoint(problem: EndpointProblem): string {
  switch (problem.kind) {
    case 'conflict':
      return messageLines(`${problem.options[0]} and ${problem.options[1]} cannot be used together`)
    case 'bad-address':
      return messageLines(`"${problem.text}" is not an address`, 'host or host:port, [::1]:9876 for IPv6')
    case 'no-targets-file':
      return messageLines(
        `no targets file found: ${problem.searched.join(', ')}`,
        'give one with --targets-file or HOSTLINK_TARGETS, or connect with -s SOCKET or -a HOST:PORT',
      )
    case 'targets-file':
      return messageLines(`cannot read ${problem.file}: ${problem.reason}`)
    case 'targets-invalid':
      return problem.problems.map(wordTargetsProblem).join('')
    case 'unknown-target': {
      const near = nearest(problem.name, problem.known)
      const known = problem.known.length > 0 ? `known: ${problem.known.join(', ')}` : 'it has none'
      return messageLines(
        `no target "${problem.name}" in ${problem.file}`,
        near ? `did you mean ${near}? (${known})` : known,
      )
    }
    case 'no-token':
      return messageLines(
        'no token',
        "give one with --token-file FILE, HOSTLINK_TOKEN_FILE, HOSTLINK_TOKEN or the target's token in targets.conf; on the host it is in /etc/hostlink/token, or where hostlink.conf says",
      )
    case 'token-file':
      return messageLines(`token file ${problem.file}: ${problem.reason}`, `it was named by ${problem.from}`)
    case 'bad-token':
      return messageLines(`the token from ${problem.from} is empty`)
  }
}

export const wordTargetsProblem = (problem: TargetsProblem): string =>
  messageLines(`${problem.file}:${problem.line}: ${problem.reason}`)
