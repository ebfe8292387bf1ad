/** The contract of a step kind: validation, planning, running and taking back stand together in one file per kind. */
import type { z } from 'zod'
import type { Json } from '../../document/json.ts'
import type { Failed, FailedService, Failure } from '../../failure.ts'
import type { HostTools } from '../../transport/host-tools.ts'
import type { Command } from '../../transport/transport.ts'

/** Ordered by what it takes to come back: nothing, nothing, a restore, a restore with downtime, no way back. */
export type Effect = 'read' | 'fetch' | 'write' | 'disrupt' | 'irreversible'

/** What runs, among the things that a restore touches: evidence is gathered from it first. */
export const RUNNING = 'running'

/** Of a rollback. */
export type Movement = 'restore' | 'reactivate' | 'verify'

/** What CEL may expect of `steps.<id>.<output>`. */
export type OutputType = 'string' | 'int' | 'double' | 'bool' | 'list' | 'map'

/** The report's observed fields; a step, its restore or its verification tells what it saw. */
export type Facts = {
  repoPath?: string
  composePath?: string
  serviceName?: string
  requestedRef?: string
  beforeSha?: string
  beforeBranch?: string | null
  afterSha?: string
  afterBranch?: string | null
  dirtyRepo?: boolean
  composeRebuilt?: boolean
  healthz?: boolean
  readyz?: boolean
  services?: ServiceFact[]
  /** What containers had and their replacements do not, because the tree has changed. */
  lost?: { service: string; what: string }[]
  /** What the new version may do on the host that the old one may not. */
  powersAdded?: { key: string; words: string; allowed: boolean }[]
  /** Made by a version that was taken back, and not removed: volumes, and networks that something uses. */
  leftBehind?: string[]
  pulled?: PulledFact[]
  failedService?: FailedService
  /** Of the disk that holds the engine's images. */
  diskFreeBytes?: { before: number; after: number | null }
  downtimeSeconds?: number | null
  /** `to` is null while it does not answer. */
  downtime?: { from: string; to: string | null }[]
  /** For how long a started version was looked at; a report adds up those of all steps. */
  watchedSeconds?: number
  /** A kept image was gone, so that the old version was built anew. */
  rebuilt?: boolean
  /** State that a version wrote which was taken back, moved away for what was kept. */
  stateSetAside?: { path: string; keptAs: string; minutes: number }[]
}

/** Digests of the registry; null where the engine has none for that image. */
type PulledFact = { service: string; image: string; before: string | null; after: string | null }

/** `image*` are ids; null where there was, or is, no container. */
export type ServiceFact = {
  name: string
  imageBefore: string | null
  imageAfter: string | null
  replicas: number
  restarts: number
  state: string | null
  exitCode: number | null
  /** Its image, its configuration or a file of the tree that it mounts is another one than before. */
  changed?: boolean
}

/**
 * One thing that was looked at, and what was seen. `what` is a closed word of the report,
 * `target` names the thing within its step.
 */
export type Observation = {
  what: 'http' | 'git-head' | 'git-branch' | 'image' | 'restarts' | 'state' | 'files' | 'command'
  target: string
  saw: string
  ok: boolean
}

/** Who may confirm a step: anybody who may use the run, or nobody who started it. */
export type Confirmer = 'caller' | 'other'

/** What a URL that is watched beside the steps answers. `status`: null where nothing does. */
export type Probe = { url: string; ok: boolean; status: number | null }

/** One look at what has to stand. */
export type Look = {
  good: boolean
  /** Waiting cannot help. */
  final: boolean
  /** Another one once something was started again. */
  print: string
  /** For people. */
  text: string
  /** How much has ended cleanly, which may have been meant. */
  ended?: number
  failure(): Promise<Failed>
}

/** What a step that starts something, or waits for it, looks at; later steps of the run look at it too. */
export type Sign = {
  /** How long it must stand; null where the playbook does not say. */
  forMs: number | null
  look(ctx: StepContext, leftMs: number): Promise<Look>
  /** What happened until now was meant, or could not be seen. */
  rebase(): void
  /** Signs with the same `about` hear the same. */
  news?: {
    about: string
    /** Tells each line, until the signal is aborted or `untilMs` is over; then it ends. */
    listen(
      ctx: StepContext,
      untilMs: number,
      signal: AbortSignal,
      tell: (line: string) => void,
    ): Promise<void>
    /** Whether a look is worth it now. */
    hears(line: string): boolean
  }
}

/** A command as a dry run shows it. What cannot be known before the run is `{ unknown: why }`. */
export type PlannedArg = string | { unknown: string }
export type PlannedCommand = { argv: PlannedArg[]; cwd?: PlannedArg }

export type Done = {
  code: number
  signal: string | null
  stdout: string
  stderr: string
  /** Which of the texts above end before the output did. */
  truncated: { stdout: boolean; stderr: boolean }
  /**
   * The last lines of each stream, also where the texts above end before them, without secrets: for people. Absent for
   * a quiet command that ended well.
   */
  ends?: { stdout: string; stderr: string }
  durationMs: number
}

export type CommandRequest = Command & {
  /** Less than the step's remaining time, where the command needs a limit of its own. */
  timeoutMs?: number
  durable?: boolean
  keepBytes?: number
  /** Reads are repeated after a lost link; everything else only under a start-once key. */
  repeatable?: boolean
  /** Output that nobody needs to see live (probes). */
  quiet?: boolean
  /** Told each line, as it comes. Must not throw. */
  onLine?: (line: string) => void
  /** Ends the command on the target, also when the step goes on. */
  signal?: AbortSignal
}

/**
 * What a step may touch. `exec` answers with whatever exit code the command had; it throws `Failed` when the
 * command did not start, ran out of time, was cancelled or was lost, so that kinds only see real ends.
 */
export type StepContext = {
  readonly runId: string
  readonly stepId: string
  /** What is done on the target by this process itself; null: by texts for its shell. */
  readonly tools: HostTools | null
  /** Where it is false, what a kind has as sh text is left out, and `plan.withoutShell` says so beforehand. */
  readonly hasShell: boolean
  /** The runner's own state folder, where the target is the machine that it runs on. */
  readonly stateFolder: string | null
  readonly signal: AbortSignal
  /** Milliseconds that are left of the step's own time. */
  remainingMs(): number
  now(): number
  sleep(ms: number): Promise<void>
  exec(request: CommandRequest): Promise<Done>
  /**
   * Waits until somebody confirms over a new connection: false when the time was over first, also the time in which
   * no runner lived. Null where the run does not live on the host, so that a confirmation would prove nothing.
   */
  readonly confirmed: ((withinMs: number, confirmer: Confirmer) => Promise<boolean>) | null
  /** Those who ask from beside are to be silent until the answer is called. */
  hold(): () => void
  /** How often a step has begun to hold in this run; `over` is null while none does, else resolves when none does any more. */
  held(): { times: number; over: Promise<void> | null }
  /** Without the values of secrets: for a text that is going to be cut, after which nobody would find them. */
  redact(text: string): string
  /** One line for people, shown under the step. */
  say(line: string): void
  /** Records what was looked at; of two with the same `what` and `target` the later one counts. */
  saw(observation: Observation): void
  /** Records what a probe sees; called only where that has changed. */
  probed(probe: Probe): void
  /** For how long it has looked at what the run has started, whatever came of it. */
  watched(ms: number): void
  /** Outputs of the steps of a kind that have succeeded in this run so far, in order. */
  outputsOf(uses: string): readonly { readonly [output: string]: Json }[]
  /** What this run holds to one window, by step. */
  readonly standing: Map<string, Sign>
  /** Its failure ends the run, which goes back at once: what takes time to find out is left for the evidence. */
  readonly isHurried: boolean
  /** Whether a later step waits until what was started stands, with none before it that changes something. */
  standsLater(): boolean
  /** In a rollback: whether a later step was begun that may have touched what runs, or whatever else. */
  readonly touchedSince: boolean
  /** In a rollback: resolved once the evidence is kept, which what runs now is a part of. Never rejects. */
  readonly evidenceKept: Promise<unknown>
}

export type StepResult = {
  /** Whether the host differs from before, as observed; null where nobody looked, so that it may. */
  changed: boolean | null
  outputs?: Record<string, Json>
  facts?: Facts
}

export type CheckFinding = {
  /** Stable words for people: "HEAD 1a2b3c4 -> 5d6e7f8 (12 commits)". */
  text: string
  /** What the plan hash is made of; must not change while the host does not. */
  seen: Json
  /** A check that fails says so here and the run would be refused. */
  failure?: Failure
}

/** `failure`: the one that it was gathered for, with what nobody had read by then. */
export type Evidence = { name: string; text: string; facts?: Facts; failure?: Failure }

/**
 * `W` is the validated `with`; `S` is what was recorded before the first change, journalled as JSON. `plan` is pure, `look`
 * is read-only, `act` changes the host and `undo` takes it back.
 */
export type StepKind<W = unknown, S extends Json = Json> = {
  readonly uses: string
  readonly summary: string
  schema(): z.ZodType<W>
  readonly outputs: Readonly<Record<string, OutputType>>
  readonly timeoutMs: number

  readonly plan: {
    effect(input: W): Effect
    /** How long its input lets it take, where that is what normally ends it. */
    limitMs?(input: W): number
    /** Waits until what was started stands. */
    readonly stands?: true
    /** Has commands that outlive their caller, whose start may be prepared. */
    readonly outlives?: true
    /** What the report can name before anything has run. */
    about?(input: W): Facts
    /** What one run at a time must own: checkouts and compose projects, as canonical texts. */
    locks?(input: W): string[]
    /**
     * What `restore` puts back, by name: different things are restored side by side, and beside the gathering of evidence.
     * Absent: it may be anything.
     */
    touches?(input: W): readonly string[]
    /** The movements that have something to do for this input. Absent: all that the kind has. */
    moves?(input: W): readonly Movement[]
    /** Whether success is known to leave the host changed where nothing restores it. Absent: it is. */
    leaves?(input: W): boolean
    /** Whether it may be done again when it was begun and nobody saw its end. Default: only what changes nothing. */
    repeatable?(input: W): boolean
    /** What `run` will execute, as far as it is known before the run. */
    commands(input: W): PlannedCommand[]
    /** What `restore` and `reactivate` will execute; empty when there is nothing to take back. */
    undoCommands?(input: W): PlannedCommand[]
    /** What `verify` will execute, where the playbook says so. */
    verifyCommands?(input: W): PlannedCommand[]
  }

  readonly act: {
    /**
     * Read-only; taken for every step before the first change of the run, side by side. What several of them look at is
     * looked at once.
     */
    snapshot?(ctx: StepContext, input: W): Promise<S>
    run(ctx: StepContext, input: W, snapshot: S | null): Promise<StepResult>
  }

  readonly undo?: {
    /** Movement one, in reverse order: the state is put back. */
    restore?(ctx: StepContext, input: W, snapshot: S): Promise<StepResult>
    /** Its `reactivate` begins beside the gathering of evidence, and waits for that before it touches what runs. */
    readonly readsFirst?: true
    /** Movement two, in forward order: the running system follows the restored state. */
    reactivate?(ctx: StepContext, input: W, snapshot: S | null): Promise<StepResult>
    /** Movement three, in forward order: throws `Failed` when the host is not as it was. */
    verify?(ctx: StepContext, input: W, snapshot: S | null): Promise<StepResult>
    /** Read-only: whether everything is still there that taking back would need. */
    rehearse?(ctx: StepContext, input: W, snapshot: S): Promise<CheckFinding[]>
    /**
     * After a run that ended well, or was taken back: our own leftovers of earlier runs go, and in the second case those
     * of this one. What it throws is told and changes nothing.
     */
    tidy?(ctx: StepContext, input: W, snapshot: S, takenBack: boolean): Promise<void>
  }

  readonly look?: {
    /** With `--check`. */
    check?(ctx: StepContext, input: W): Promise<CheckFinding[]>
    /**
     * Before another runner goes on behind this step: throws `Failed` when what it reached, as its outputs tell, is not what
     * the target shows now. Absent: nobody can say.
     */
    holds?(ctx: StepContext, input: W, reached: { [output: string]: Json }, snapshot: S | null): Promise<void>
    /**
     * Kept before a rollback destroys it. Must not read what a `restore` puts back. What the failure has named already need
     * not be found again.
     */
    evidence?(ctx: StepContext, input: W, snapshot: S | null, because: Failure): Promise<Evidence[]>
    /**
     * Beside the steps from the first change to the end of the run, the rollback included: what it saw by the time that
     * `ended` is aborted. Changes nothing but what is ours.
     */
    observe?(ctx: StepContext, input: W, snapshot: S, ended: AbortSignal): Promise<Facts>
  }
}
