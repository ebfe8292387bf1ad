/**
 * Every failure that we expect, as data. `wording/` turns each into a sentence and a hint; `code` is the
 * report's `errorCode`. A new kind does not build until it is worded.
 */

export type Failure =
  | UsageFailure
  | TargetFailure
  | GitFailure
  | ServicesFailure
  | RunFailure
  | HalfWay
  | NoLongerHolds

/** What the journal calls done is not what the target shows. */
type NoLongerHolds = { code: 'no-longer-holds'; runId: string; step: string; because: Failure }

/** Nothing is in flight: `failed` is how the step ended whose end was not seen at first, `left` was not begun. */
type HalfWay = {
  code: 'half-way'
  runId: string
  step: string | null
  failed: Failure | null
  left: string[]
}

/** Before anything is contacted. */
export type UsageFailure =
  | ({ code: 'usage' } & Mistake)
  | {
      code: 'playbook-not-found'
      name: string
      searched: string[]
      suggestion?: string
      /** The target has playbooks of its own. */
      host?: string
    }
  | { code: 'playbook-unreadable'; file: string; problem: string }
  | { code: 'playbook-invalid'; file: string; diagnostics: number; first: string }
  /** `takes`: what there is, for who cannot look at the playbook. */
  | { code: 'inputs-invalid'; problems: InputProblem[]; playbook?: string; takes?: string[] }
  | { code: 'settings-invalid'; file: string; problems: string[] }

/** What is wrong with a command. */
export type Mistake =
  /** In the words of the command line's parser. */
  | { what: 'command-line'; problem: string; hint: string }
  /** In what an agent gives to a tool. */
  | { what: 'tool-call'; problem: string }
  | { what: 'option'; option: string; wants: 'duration' | 'time-limit' | 'run-id' | 'count' | 'seq' }
  | { what: 'playbooks-folder'; folder: string }
  | { what: 'options-exclude'; options: string[] }
  | { what: 'dry-run-on-host' }
  | { what: 'not-at-host'; option: '--check' | '--inputs'; verb: string; run: string }
  | { what: 'report-file'; file: string; why: 'empty' | 'folder' | 'no-folder' | 'unwritable' }
  | { what: 'report-not-written'; file: string; detail: string }
  | { what: 'inputs-file'; file: string; problem: string }
  | { what: 'target'; reason: string; hint?: string }
  | { what: 'no-runs-at'; target: string }
  | { what: 'names-only'; target: string; given: string }
  | { what: 'approval-wait' }
  /** In the words of the daemon. */
  | { what: 'refused-by'; target: string; message: string }
  | { what: 'unreadable-answer'; from: string; of: string }
  | { what: 'no-playbook-at'; name: string; target: string }
  | NoSuchRun
  | { what: 'run-id-used'; runId: string }
  | { what: 'caller'; problem: string }
  | { what: 'newer-record'; runId: string }
  | { what: 'record'; runId: string; folder: string; why: BrokenRecord }
  | { what: 'not-ended'; runId: string; target: string }
  | { what: 'not-asked'; runId: string; target: string; because: Failure }
  | { what: 'secrets-needed'; runId: string }

/** `place`: `in FOLDER` or `at HOST`. */
type NoSuchRun =
  | { what: 'no-run'; given: string; place: string }
  | { what: 'many-runs'; given: string; matches: string[] }
  | { what: 'no-run-yet'; place: string }
  | { what: 'none-began'; place: string; attempt: string; outcome: string }
  | { what: 'not-a-run'; folder: string }
  /** The last attempt was refused because of a run that is not known here. `state`: the folder that has it. */
  | {
      what: 'blocked'
      attempt: string
      error: string
      run: { runId: string; state: string } | null
      verb: string
    }

type BrokenRecord = { of: string; is: 'missing' | 'unreadable' | 'another' }

/** Reaching the target, and running one command there. */
export type TargetFailure =
  | { code: 'unreachable'; target: string; reason: string; hint?: string }
  | { code: 'auth-failed'; target: string }
  | { code: 'denied'; target: string; rule: string }
  /** An operator has to approve the command. `id`: of the request that was made, if one was; `why`: why it has no approval. */
  | {
      code: 'approval-needed'
      target: string
      command: string
      id: string | null
      why: 'not-asked' | 'user' | 'timeout' | 'no-route'
    }
  | { code: 'link-lost'; target: string; command: string; reason: string }
  | { code: 'command-failed'; argv: string[]; exitCode: number | null; signal: string | null; tail: string }
  | { code: 'command-timeout'; argv: string[]; timeoutMs: number; tail: string }
  | { code: 'command-not-started'; argv: string[]; why: WhyNotStarted; detail: string }
  | { code: 'output-unreadable'; argv: string[]; problem: string }

export type GitFailure =
  | { code: 'not-a-repository'; path: string; detail: string }
  /** `owner` is not who runs hostops. `mixed`: the folder and its .git belong to different users. */
  | {
      code: 'foreign-checkout'
      path: string
      owner: string
      user: string
      /** `submodule`: `owner` is that of the checkout around it. */
      why: 'not-root' | 'mixed' | 'objects' | 'submodule' | 'no-setpriv'
    }
  | { code: 'dirty-tree'; repo: string; entries: string[]; total: number }
  | { code: 'ref-not-found'; repo: string; ref: string; suggestion?: string }
  | { code: 'ref-ambiguous'; repo: string; ref: string; candidates: string[] }
  /** No branch or tag of the remote holds it. */
  | { code: 'ref-not-published'; repo: string; ref: string; remote: string }
  /** `refs`: what the step allows. */
  | { code: 'ref-not-allowed'; repo: string; ref: string; resolved: string; refs: string[] }
  /** The .gitmodules of a commit asks for what git could be misled by. */
  | { code: 'modules-unsafe'; repo: string; sha: string; problems: string[] }
  | { code: 'history-rewritten'; repo: string; branch: string; local: string; remote: string }
  | { code: 'branch-diverged'; repo: string; branch: string; ahead: number; behind: number }
  | { code: 'index-locked'; repo: string; lockFile: string; ageSeconds: number | null; holder: string | null }
  | { code: 'files-in-the-way'; repo: string; files: string[] }
  | { code: 'signature-missing'; repo: string; ref: string; detail: string }
  | { code: 'fetch-failed'; repo: string; remote: string; detail: string }
  | { code: 'head-differs'; repo: string; expected: string; actual: string }

/** Compose and health. */
export type ServicesFailure =
  | { code: 'compose-failed'; dir: string; verb: string; exitCode: number; tail: string; cause?: string }
  | { code: 'compose-file-missing'; dir: string; detail: string }
  | { code: 'compose-file-invalid'; dir: string; detail: string }
  | { code: 'service-unknown'; dir: string; services: string[]; known: string[] }
  | { code: 'port-taken'; dir: string; port: string | null; detail: string }
  | { code: 'disk-full'; detail: string }
  | { code: 'compose-plugin-missing'; detail: string }
  | { code: 'engine-down'; detail: string }
  | { code: 'engine-denied'; detail: string }
  | { code: 'project-renamed'; dir: string; before: string; now: string }
  /** The running containers were made from something else than the playbook names, or than is there. */
  | { code: 'stack-differs'; dir: string; differences: StackDifference[] }
  /** Containers would be replaced by ones without something that they have. */
  | { code: 'would-lose'; dir: string; losses: Loss[] }
  /** Two containers of these services cannot run side by side; `why` follows "it". */
  | { code: 'cannot-run-twice'; dir: string; services: Sole[] }
  /** `powers`: what the target's configuration may do on the host that the running one may not. */
  | { code: 'powers-added'; dir: string; ref: string; powers: AddedPower[] }
  | { code: 'config-differs'; services: string[] }
  | { code: 'state-differs'; services: { name: string; up: number; now: number }[] }
  | {
      code: 'not-stable'
      dir: string
      services: string[]
      detail: string
      tail: string
      failedService?: FailedService
      /** The last thing that it wrote to stderr, where it wrote any. */
      cause?: string
      /** Its last words, said until then, are read with the evidence: the rollback does not wait for them. */
      until?: string
      /** The last answers of URLs that were polled meanwhile. */
      probes?: { url: string; ok: boolean; last: string }[]
    }
  /** `image` is null where the compose file names none. */
  | { code: 'nothing-to-build'; dir: string; services: NamedImage[]; instead: ImageSource; file?: string }
  /** `variable`: which was to bring it in. `instead`: null where the compose file itself has to change. */
  | {
      code: 'image-unused'
      dir: string
      image: string
      services: NamedImage[]
      instead: ImageSource | null
      variable?: string
    }
  /** A plain build was to take a name that a registry gives out. */
  | { code: 'image-of-registry'; dir: string; image: string }
  | { code: 'not-built'; dir: string; services: string[] }
  | { code: 'nothing-to-pull'; dir: string; services: NamedImage[]; instead: ImageSource }
  | { code: 'pull-failed'; image: string; why: PullProblem; detail: string }
  | { code: 'env-file-unusable'; path: string; why: EnvFileProblem }
  /** Somebody has changed these keys since the run has. */
  | { code: 'env-keys-differ'; path: string; keys: string[] }
  /** Of a state folder; `detail`: what `why` leaves open. */
  | { code: 'files-unusable'; path: string; why: FilesProblem; detail: string }
  /** Something has written it while it was copied. */
  | { code: 'files-changed'; path: string }
  | { code: 'rollback-set-missing'; what: string[]; runId?: string }
  | { code: 'images-differ'; services: string[] }
  /** `rebuilt`: services that run what was built from the old commit instead. */
  | { code: 'pin-lost'; pins: string[]; rebuilt: string[]; runId?: string }
  | {
      code: 'unhealthy'
      probes: { url: string; ok: boolean; last: string }[]
      timeoutMs: number
      /** Nothing answered at these before the run either. */
      silent?: string[]
    }

export type StackDifference = {
  what: 'files' | 'env files' | 'project' | 'folder' | 'gone'
  runs: string[]
  named: string[]
}

/** `what` in words of the engine: "mount /data from /srv/data", "port *:18789 to 18789/tcp". */
export type Loss = { service: string; what: string }
type Sole = { service: string; why: string }
/** `key`: what a reviewer allows it by. */
type AddedPower = { key: string; words: string }
type NamedImage = { service: string; image: string | null }
/** The values of the shipped playbook's input `imageFrom`. */
export type ImageSource = 'compose' | 'dockerfile' | 'registry'
export type PullProblem = 'not-found' | 'denied' | 'no-network' | 'other'
export type EnvFileProblem =
  | 'missing'
  | 'symlink'
  | 'hard-link'
  | 'not-a-file'
  | 'unreadable'
  | 'unwritable'
  | 'binary'
  | 'no-shell'

export type FilesProblem =
  | 'missing'
  | 'not-a-folder'
  | 'unreadable'
  | 'owners'
  | 'mount-point'
  | 'swappable'
  | 'elsewhere'
  | 'too-large'
  | 'volume'
  | 'private'
  | 'paused'
  | 'damaged'
  | 'gone'
  | 'in-use'
  | 'tools'
  | 'no-shell'

export type RunFailure =
  | { code: 'expression-failed'; where: string; expression: string; problem: string }
  | { code: 'step-input-invalid'; step: string; problems: string[] }
  | { code: 'step-timeout'; step: string; timeoutMs: number }
  | { code: 'run-timeout'; timeoutMs: number; of?: 'rollback' }
  | { code: 'interrupted'; signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' }
  | { code: 'plan-moved'; expected: string; actual: string }
  /** `state`: the folder on the holder's machine that has its run, where that is not this one. */
  | { code: 'lock-held'; what: string; holder: string; since: string; state?: string; runId?: string }
  /** Somebody has it now, while the run that had it lives. */
  | { code: 'lock-lost'; runId: string; what: string; holder: string }
  | { code: 'interrupted-run'; what: string; runId: string; state?: string }
  /** `state`: where the record of the run should be; `lock`: its file on the target. */
  | { code: 'record-gone'; what: string; runId: string; state: string; lock: string }
  | { code: 'lock-unwritable'; detail: string }
  | {
      code: 'self-upgrade'
      step: string
      who: 'runner' | 'daemon'
      place: string
      /** Nobody knows what the command does before it runs. */
      may: boolean
      command: string
    }
  /** The run lives on the host already, and the host in the container. */
  | { code: 'self-upgrade'; step: string; who: 'host'; place: string; may: boolean }
  | { code: 'approval-denied'; step: string; reason: string }
  | { code: 'irreversible'; step: string }
  | { code: 'end-not-seen'; runId: string; step: string }
  /** Begun by an earlier runner. */
  | { code: 'still-runs'; runId: string; step: string; what: string }
  /** A runner went on without its record; null: nobody knows how it ended. */
  | { code: 'record-incomplete'; runId: string; outcome: string | null }
  /** `pid`: null where it is on another host. */
  | { code: 'has-a-runner'; runId: string; pid: number | null }
  /** Begun in another container or on another machine, which nobody can look into from here. */
  | { code: 'runner-unseen'; runId: string; machine: string }
  /** Killed, or its machine went down: `step` was under way. */
  | { code: 'runner-gone'; runId: string; step: string | null }
  | { code: 'not-begun'; runId: string }
  | { code: 'not-confirmable'; runId: string; because: NotConfirmable }
  | { code: 'not-cancellable'; runId: string; because: NotCancellable }
  | { code: 'taken-back'; runId: string }
  | { code: 'no-way-back'; step: string }
  | { code: 'not-done'; step: string; movement: 'restore' | 'reactivate' | 'verify' }
  | { code: 'not-restored'; step: string; problem: string }
  | { code: 'state-unwritable'; path: string; problem: string }
  | { code: 'internal'; problem: string }

/**
 * `step` waited and does so no more, `next` will wait; `until`: when the time was over, in ISO 8601. `own-run`: whoever
 * asks has started the run, and the step wants somebody else.
 */
export type NotConfirmable =
  | { why: 'no-confirm-step' }
  | { why: 'not-yet' }
  | { why: 'has-ended' }
  | { why: 'later-step'; step: string; next: string }
  | { why: 'over' }
  | { why: 'too-late'; until: string }
  | { why: 'own-run'; step: string }

export type NotCancellable =
  | { why: 'has-ended' }
  | { why: 'no-runner' }
  | { why: 'elsewhere'; machine: string }
  | { why: 'not-signalled'; pid: number; detail: string }

/** The container that broke the run, as it was when it was found out; `exitCode` is null while it runs. */
export type FailedService = {
  name: string
  container: string
  image: string
  why: string
  state: string
  exitCode: number | null
  restarts: number
  health: string | null
  logsTail: string
}

export type FailureCode = Failure['code']

export type WhyNotStarted = 'not-found' | 'not-executable' | 'bad-cwd' | 'busy' | 'too-large' | 'other'

export type InputProblem = {
  input: string
  problem: 'unknown' | 'missing' | 'ill-typed' | 'pinned' | 'given-twice' | 'unreadable'
  /** What would be right, or what was found; never the value of a secret. */
  detail: string
  suggestion?: string
  /** It stands in the settings, so that the caller may not have given it at all. */
  inSettings?: true
}

/** The one exception that carries an expected failure up to the engine or the command line. */
export class Failed extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.code)
    this.failure = failure
  }
}

/** A mistake of the command line, in words made where it was found. */
export const commandMistake = (problem: string, hint: string): Failed =>
  new Failed({ code: 'usage', what: 'command-line', problem, hint })
