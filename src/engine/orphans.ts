/**
 * Commands may outlive the runner that started them. Who goes on with its run lets them end first, and who takes it
 * back ends them, as an interrupt would have done: nothing is ever done beside one that still runs.
 */
import { Failed } from '../failure.ts'
import type { CommandHandle } from '../transport/transport.ts'
import type { Run } from './run-state.ts'
import { mayRepeat, type StepState } from './step-state.ts'

/** What belongs together must not be cut off half-way: a job ends by itself, and so does a part of a rollback. */
const mayEnd = ({ kind }: CommandHandle): boolean => kind !== 'job'

/** Throws `Failed` when one still runs in the end. */
export async function letOrphansEnd(run: Run, verb: 'resume' | 'rollback'): Promise<void> {
  const { transport, recovered } = run.input
  for (const { id, command, movement } of recovered?.inFlight ?? []) {
    const state = run.states.find(state => state.planned.id === id)
    const end = verb === 'rollback' && movement === null && mayEnd(command)
    const told = end ? 'it is ended first' : 'its end is waited for'
    const left = await transport.overtake?.(command, {
      end,
      // Nobody is there any more to hold it to the limit of its step.
      timeoutMs: state?.planned.timeoutMs ?? 0,
      // What it was to leave behind stays, unless the same is going to be done again, or taken back.
      leftBehind: verb === 'rollback' || movement !== null || isDoneAgain(run, state),
      signal: run.stops.steps,
      onWaiting: () =>
        run.emit({
          ...{ type: 'said', id, phase: null },
          line: `${worded(command)} of an earlier runner still runs: ${told}`,
        }),
    })
    if (run.stops.steps.aborted) throw run.stops.steps.reason
    if (left === 'running')
      throw new Failed({ code: 'still-runs', runId: run.input.runId, step: id, what: worded(command) })
  }
}

const isDoneAgain = ({ input }: Run, state: StepState | undefined): boolean =>
  state !== undefined && (mayRepeat(state) || input.assume === 'not-done')

function worded(command: CommandHandle): string {
  switch (command.kind) {
    case 'announced':
      return 'a process'
    case 'process':
      return `process ${command.pid}`
    case 'job':
      return `job ${command.job}`
    case 'key':
    case 'marked':
      return 'a command'
  }
}
