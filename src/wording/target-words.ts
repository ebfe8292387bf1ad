/** Reaching the target, and running one command there. */

import { printDuration } from '../duration.ts'
import type { TargetFailure } from '../failure.ts'
import { isNode } from '../transport/target.ts'
import { quoted, tail, type Worded, type Words } from './phrases.ts'

export const TARGET: Words<TargetFailure> = {
  unreachable: failure => ({
    message: `cannot reach ${failure.target}: ${failure.reason}`,
    hint: failure.hint ?? `hostops doctor --target ${failure.target}`,
  }),
  'auth-failed': failure => ({
    message: `${failure.target} does not accept the token`,
    hint: isNode(failure.target)
      ? 'set OPENCLAW_GATEWAY_TOKEN, or tokenFile of the node in the settings, to gateway.auth.token of its gateway'
      : 'set HOSTLINK_TOKEN or HOSTLINK_TOKEN_FILE to the token of the host’s daemon',
  }),
  denied: failure => ({
    message: `${failure.target} denied it: ${failure.rule}`,
    hint: deniedHint(failure),
  }),
  'approval-needed': failure => APPROVAL[failure.why](failure),
  'link-lost': failure => ({
    message: `the link to ${failure.target} was lost while ${quoted(failure.command)} ran: ${failure.reason}`,
    hint: 'whether it ended, and how, is not known; look at the host before anything is repeated',
  }),
  'command-failed': failure => ({
    message: `${commandLine(failure.argv)} ${ending(failure.exitCode, failure.signal)}${tail(failure.tail)}`,
  }),
  'command-timeout': failure => ({
    message: `${commandLine(failure.argv)} did not end within ${printDuration(failure.timeoutMs)} and was stopped${tail(failure.tail)}`,
    hint: 'give the step a longer timeout: if that is what it needs',
  }),
  'command-not-started': notStarted,
  'output-unreadable': failure => ({
    message: `cannot make sense of what ${commandLine(failure.argv)} printed: ${failure.problem}`,
  }),
}

/** Told apart by the rule that denied: each policy names itself in it, and a rule of an allowlist its line. */
function deniedHint({ rule, target }: Extract<TargetFailure, { code: 'denied' }>): string {
  if (/SYSTEM_RUN_/.test(rule))
    return 'allow the path of hostops-trigger in the exec approvals of the node, for the agent that the settings name'
  if (/^policy playbooks .*: exec is not allowed/.test(rule))
    return `this token starts reviewed playbooks only: hostops run NAME --target ${target} --on-host`
  if (/^(allowlist of token |[^\s:]+:\d+: )/.test(rule))
    return `an allowlist serves hostlink exec only; hostops needs a token with policy playbooks (hostops run NAME --target ${target} --on-host) or full`
  return `the policy of this token on the host decides; hostops doctor --target ${target} shows what it may do`
}

type Unapproved = Extract<TargetFailure, { code: 'approval-needed' }>

const APPROVAL: Readonly<Record<Unapproved['why'], (failure: Unapproved) => Worded>> = {
  'not-asked': ({ target }) => ({
    message: `an operator has to approve what ${target} is asked for`,
    hint: '--wait-approval 10m   asks the operators and waits for them',
  }),
  user: ({ target, id }) => ({ message: `an operator has denied it at ${target} (request ${id})` }),
  timeout: ({ target, id }) => ({
    message: `no operator has approved it at ${target} in time (request ${id})`,
    hint: 'nothing was started: run it again with a longer --wait-approval',
  }),
  'no-route': ({ target }) => ({
    message: `there is nobody to approve it at ${target}: no operator who may is connected to the gateway`,
    hint: 'open the Control UI of the gateway, or send its approvals to a channel, then run it again',
  }),
}

const commandLine = (argv: string[]) => {
  const line = argv.map(asWord).join(' ').replace(/\s+/g, ' ')
  return quoted(line.length > 120 ? `${line.slice(0, 117)}...` : line)
}
/** So that one sees where each begins and ends. */
const asWord = (word: string) => (word !== '' && !/[\s'"]/.test(word) ? word : `'${word}'`)
const ending = (code: number | null, signal: string | null) =>
  signal ? `was ended by ${signal}` : `ended with exit code ${code}`

function notStarted(failure: Extract<TargetFailure, { code: 'command-not-started' }>): Worded {
  const program = failure.argv[0] ?? ''
  switch (failure.why) {
    case 'not-found':
      return {
        message: `${quoted(program)} is not on the target: ${failure.detail}`,
        hint: `install ${program} there, or give its full path`,
      }
    case 'not-executable':
      return { message: `${quoted(program)} cannot be executed: ${failure.detail}` }
    case 'bad-cwd':
      return { message: `working directory not accessible: ${failure.detail}` }
    case 'busy':
      return {
        message: `the target is busy: ${failure.detail}`,
        hint: 'try again, or raise max_concurrent there',
      }
    case 'too-large':
      return { message: `the command is too large for this target: ${failure.detail}` }
    case 'other':
      return { message: `cannot start ${commandLine(failure.argv)}: ${failure.detail}` }
  }
}
