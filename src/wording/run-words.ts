/** The run itself: what it could not plan, how it was stopped, who is in its way, what could not be taken back. */

import { printDuration } from '../duration.ts'
import type { NotCancellable, NotConfirmable, RunFailure } from '../failure.ts'
import type { Worded, Words } from './phrases.ts'

/** A run that began under another state folder is known only there. */
const there = ({ state }: { state?: string }, command: string, at: string): string =>
  state === undefined ? `hostops ${command}${at}` : `HOSTOPS_STATE_DIR=${state} hostops ${command}`

const printableName = (name: string): string => name || 'another machine'

export const goOn = (runId: string, at: string): string =>
  `hostops resume ${runId}${at} goes on with it, hostops rollback ${runId}${at} takes it back`

export const RUN: Words<RunFailure> = {
  'expression-failed': failure => ({
    message: `${failure.where}: \${{ ${failure.expression} }}: ${failure.problem}`,
  }),
  'step-input-invalid': failure => ({ message: `${failure.step}: ${failure.problems.join('; ')}` }),
  'step-timeout': failure => ({
    message: `${failure.step} did not end within ${printDuration(failure.timeoutMs)}`,
    hint: 'give the step a longer timeout: if that is what it needs',
  }),
  'run-timeout': failure => ({
    message: `the ${failure.of ?? 'run'} did not end within ${printDuration(failure.timeoutMs)}`,
  }),
  interrupted: failure => ({ message: `interrupted by ${failure.signal}` }),
  'plan-moved': failure => ({
    message: `the target has moved since the check, or something else is asked for: plan ${failure.expected} is now ${failure.actual}`,
    hint: 'run it again with --check, read what would change, and pass the new hash',
  }),
  'lock-held': (failure, at) => ({
    message: `${failure.what} is locked by ${failure.holder} since ${failure.since}`,
    hint: `wait for it with --wait-lock 5m, or look at it with ${there(failure, 'runs', at)}`,
  }),
  'lock-lost': (failure, at) => ({
    message: `${failure.holder} has taken the lock on ${failure.what} away from this run: nothing more is begun or taken back beside it`,
    hint: `when that has ended, look at the host; hostops rollback ${failure.runId}${at} takes back what this run has done`,
  }),
  'interrupted-run': (failure, at) => ({
    message: `${failure.what} was left half-way by run ${failure.runId}, whose runner is gone`,
    hint: `finish it with ${there(failure, `resume ${failure.runId}`, at)}, or take it back with ${there(failure, `rollback ${failure.runId}`, at)}`,
  }),
  'record-gone': ({ what, runId, state, lock }) => ({
    message: `${what} was left half-way by run ${runId}, whose runner is gone, and there is no record of it in ${state} any more`,
    hint: `look at the host; once it is as it should be, take the lock away on the target: rm ${lock}`,
  }),
  'lock-unwritable': failure => ({ message: `cannot take a lock on the target: ${failure.detail}` }),
  'self-upgrade': failure => {
    const { step, place, may } = failure
    const ends = may ? 'may end' : 'would end'
    const or = may ? `; where ${step} does not, set endsRunner: never in it` : ''
    switch (failure.who) {
      case 'runner':
        return {
          message: `${step} ${ends} the container that this runner lives in (${place}), so nobody would see the end of it`,
          hint: `${failure.command}${or}`,
        }
      case 'daemon':
        return {
          message: `${step} ${ends} the container that the daemon of the target lives in (${place})`,
          hint: 'let hostlinkd run on the host itself, or in a stack that no playbook replaces',
        }
      case 'host':
        return {
          message: `${step} ${ends} the container that this run lives in (${place}), although it lives on the host`,
          hint: `its engine has to be outside of that container: --on-host --target hostlink, with hostlinkd on the host itself or in a stack that no playbook replaces${or}`,
        }
    }
  },
  'approval-denied': failure => ({ message: `${failure.step} was not approved: ${failure.reason}` }),
  irreversible: failure => ({
    message: `${failure.step} cannot be taken back, so nothing before it was rolled back`,
    hint: 'decide by hand whether the old version can live with what it did',
  }),
  'end-not-seen': (failure, at) => ({
    message: `${failure.step} was begun, nobody saw how it ended, and it is not safe to repeat`,
    hint: `look at the host, then: hostops rollback ${failure.runId}${at}, or hostops resume ${failure.runId}${at} --assume done (or not-done)`,
  }),
  'still-runs': ({ runId, step, what }, at) => ({
    message: `${what}, which ${step} has begun, still runs at the target, and nothing is done beside it`,
    hint: `look at it there; once it has ended: hostops resume ${runId}${at}, or hostops rollback ${runId}${at}`,
  }),
  'record-incomplete': ({ runId, outcome }, at) => ({
    message: `the record of run ${runId} could not be written to its end and is not to be trusted: the run took back what it had done${outcome === null ? '' : ` and ended as ${outcome}`}`,
    hint: `look at the host, then run it again; hostops rollback ${runId}${at} takes back whatever is left of it`,
  }),
  'has-a-runner': ({ runId, pid }, at) => ({
    message:
      pid === null ? `run ${runId} is still running` : `run ${runId} still has a runner (process ${pid})`,
    hint: `hostops wait ${runId}${at}   waits for its end`,
  }),
  'runner-unseen': ({ runId, machine }, at) => ({
    message: `whether the runner of ${runId} still lives cannot be seen from here: it began on ${printableName(machine)}`,
    hint: `look there; once it is gone for certain: hostops resume ${runId}${at} --runner-gone, or hostops rollback ${runId}${at} --runner-gone`,
  }),
  'runner-gone': ({ runId, step }, at) => ({
    message: `the runner of ${runId} is gone${step === null ? ' between two steps' : `, and nobody saw how ${step} ended`}`,
    hint: goOn(runId, at),
  }),
  'not-begun': failure => ({
    message: `the runner of ${failure.runId} ended before it had begun anything`,
    hint: 'nothing was changed: run it again',
  }),
  'not-confirmable': ({ runId, because }, at) => notConfirmable(runId, because, at),
  'not-cancellable': ({ runId, because }, at) => notCancellable(runId, because, at),
  'taken-back': failure => ({ message: `taken back by hostops rollback ${failure.runId}` }),
  'no-way-back': failure => ({
    message: `${failure.step} changed the host and has no way back`,
    hint: 'give the step undo: in the playbook',
  }),
  'not-done': failure => ({ message: `${failure.movement} ${failure.step} was not done` }),
  // Its step stands in front wherever it is told.
  'not-restored': failure => ({ message: failure.problem }),
  'state-unwritable': failure => ({
    message: `cannot write ${failure.path}: ${failure.problem}`,
    hint: 'make room there or choose another folder with HOSTOPS_STATE_DIR',
  }),
  internal: failure => ({
    message: `a fault in hostops itself: ${failure.problem}`,
    hint: 'please report it together with the journal of the run',
  }),
}

function notConfirmable(runId: string, because: NotConfirmable, at: string): Worded {
  const whereItIs = `hostops logs ${runId} -f${at}   shows where it is`
  switch (because.why) {
    case 'no-confirm-step':
      return {
        message: `${runId} has no confirm step: it waits for nobody`,
        hint: `hostops report ${runId}${at}`,
      }
    case 'not-yet':
      return { message: `${runId} does not wait for a confirmation yet`, hint: whereItIs }
    case 'has-ended':
      return {
        message: `${runId} has ended without waiting for a confirmation`,
        hint: `hostops report ${runId}${at}`,
      }
    case 'later-step':
      return {
        message: `${runId} does not wait for the confirmation of ${because.next} yet (that of ${because.step} is over)`,
        hint: whereItIs,
      }
    case 'over':
      return {
        message: `${runId} waits for no confirmation any more`,
        hint: `hostops report ${runId}${at}`,
      }
    case 'too-late':
      return {
        message: `${runId} waited for a confirmation until ${because.until}: it is taken back`,
        hint: `hostops wait ${runId}${at}`,
      }
    case 'own-run':
      return {
        message: `${because.step} of ${runId} must be confirmed by somebody other than who started the run`,
        hint: `as another user, or with another token: hostops confirm ${runId}${at}`,
      }
  }
}

function notCancellable(runId: string, because: NotCancellable, at: string): Worded {
  switch (because.why) {
    case 'has-ended':
      return { message: `${runId} has ended already`, hint: `hostops report ${runId}${at}` }
    case 'no-runner':
      return {
        message: `${runId} has no runner that could be told`,
        hint: `hostops rollback ${runId}${at}   takes it back, hostops resume ${runId}${at} finishes it`,
      }
    case 'elsewhere':
      return {
        message: `the runner of ${runId} is not in this container or on this machine`,
        hint: `on ${because.machine}: hostops cancel ${runId}`,
      }
    case 'not-signalled':
      return { message: `cannot signal process ${because.pid} of ${runId}: ${because.detail}` }
  }
}
