/** All that a run tells, as a closed union. `ui` and `report` see nothing else of the engine. */

import type { Json } from '../document/json.ts'
import type { Failure } from '../failure.ts'
import type { StreamName } from '../process/stream-name.ts'
import type {
  Confirmer,
  Effect,
  Evidence,
  Facts,
  Movement,
  Observation,
  PlannedCommand,
  Probe,
} from '../steps/contract/step.ts'
import type { CommandHandle } from '../transport/transport.ts'

export type { Json } from '../document/json.ts'
export type {
  Effect,
  Evidence,
  Facts,
  Movement,
  Observation,
  PlannedCommand,
} from '../steps/contract/step.ts'

export const OUTCOMES = [
  'succeeded',
  'unchanged',
  'planned',
  'started',
  'rolled-back',
  'failed-unchanged',
  'invalid',
  'refused',
  'unreachable',
  'rollback-failed',
  'failed-changed',
  'unknown',
  'interrupted',
] as const

export type Outcome = (typeof OUTCOMES)[number]

export type StepStatus = 'succeeded' | 'failed' | 'skipped' | 'not-run' | 'unknown'

/** `log`: the name of the file that its output goes to, beside the journal. */
export type StepSummary = {
  id: string
  name: string
  uses: string
  effect: Effect | null
  about: Facts
  leftOut?: string[]
  log: string
}

/**
 * Who asked: a user of the machine that the runner lives on, an agent that has the tools of this user's `hostops mcp`,
 * or a token of its daemon.
 */
export type By = { kind: 'user' | 'token' | 'mcp'; name: string }

/**
 * Who started a run, what they call the place where its steps act (a run on a host has the target `local` itself), and the
 * fleet that it is a part of.
 */
export type Caller = { by: By; target: string; parent: { fleet: string; wave: number } | null }

/** The attempt (`1`, `2`, ...), or what else of the step it was: `snapshot`, `evidence`, `restore`, `restore.2`, ... */
export type Phase = string

export type Event =
  | {
      type: 'run-started'
      runId: string
      playbook: string
      playbookDigest: string | null
      /** Of plan.json. */
      planHash: string | null
      target: string
      caller: Caller | null
      steps: StepSummary[]
    }
  | { type: 'snapshot-started' }
  | { type: 'recorded'; id: string; snapshot: Json }
  | { type: 'snapshot-finished'; durationMs: number }
  /** A run goes on that another runner began; `inFlight` was begun there, and nobody saw its end. */
  | { type: 'resumed'; runId: string; done: string[]; inFlight: string | null; by: By | null }
  | { type: 'step-started'; id: string; effect: Effect; attempt: number; commands: PlannedCommand[] }
  /** A command that may change something has begun; how it can be found again. `place`: the how manieth of its step. */
  | { type: 'command-started'; id: string; place: number; command: CommandHandle }
  /** One line of a command's output: without escapes and control bytes, secrets redacted, bounded in length. */
  | { type: 'output'; id: string; phase: Phase; stream: StreamName; line: string }
  | { type: 'said'; id: string; phase: Phase | null; line: string }
  /** What a probe that watches beside the steps sees, whenever that changes. `status`: null where nothing answers. */
  | ({ type: 'probe'; id: string } & Probe)
  /** `movement` is null in the step itself. */
  | ({ type: 'saw'; id: string; movement: Movement | null } & Observation)
  /**
   * Unless it is confirmed before the deadline (milliseconds since 1970), the run is taken back. Releases before `by:`
   * left `confirmer` out, and meant `caller`.
   */
  | { type: 'confirm-awaited'; id: string; deadline: number; confirmer?: Confirmer }
  | { type: 'confirmed'; id: string; by: By | null }
  | { type: 'step-retrying'; id: string; attempt: number; delayMs: number; failure: Failure }
  | {
      type: 'step-finished'
      id: string
      status: Exclude<StepStatus, 'not-run'>
      effect: Effect | null
      attempts: number
      durationMs: number
      /** Null: nobody looked. */
      changed: boolean | null
      /** The run goes on although the step failed. */
      tolerated: boolean
      facts: Facts
      outputs: { [name: string]: Json }
      failure: Failure | null
      /** Why a step was skipped. */
      reason: string | null
      /** It was begun, but the target was gone before its first command, or refused it. */
      untouched?: true
    }
  | { type: 'checked'; id: string; text: string; seen: Json; failure: Failure | null }
  | { type: 'plan-hashed'; hash: string }
  /** `by`: null where the signal is all that is known. */
  | { type: 'interrupting'; signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'; hard: boolean; by: By | null }
  | { type: 'evidence'; id: string; evidence: Evidence[] }
  /** What was observed beside the steps, told at the end of the run; and for how long a step has watched. */
  | { type: 'observed'; id: string; facts: Facts }
  | { type: 'evidence-missing'; id: string; failure: Failure }
  | { type: 'rollback-started'; because: Failure; steps: string[]; stopsAt: string | null }
  | {
      type: 'part-started'
      movement: Movement
      id: string
      /** How often it was begun with this. */
      times: number
    }
  | {
      type: 'part-finished'
      movement: Movement
      id: string
      durationMs: number
      /** False where everything was already as recorded. */
      changed: boolean
      facts: Facts
      failure: Failure | null
    }
  | {
      type: 'rollback-finished'
      /** Null: nothing that was looked at differs, and not all that was taken back could be looked at. */
      verified: boolean | null
      /** Steps that were taken back with nothing to see it by. */
      notVerified: string[]
      remains: Failure[]
      durationMs: number
    }
  | { type: 'run-finished'; outcome: Outcome; failedStep: string | null; failure: Failure | null }

export type Emit = (event: Event) => void
