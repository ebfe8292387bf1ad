/** How commands reach a target. One contract suite (test/transport/contract.ts) runs against every implementation. */
import type { StreamName } from '../process/stream-name.ts'
import type { HostTools } from './host-tools.ts'

/** Always argv; where a wire carries only shell text, `quote.ts` makes it. */
export type Command = {
  argv: readonly string[]
  cwd?: string | undefined
  /** Added to the target's own environment. */
  env?: Readonly<Record<string, string>> | undefined
}

export type ExecOptions = {
  /** Enforced where the command runs: TERM to its group, then KILL, grandchildren too. */
  timeoutMs: number
  /** Ends the command on the target, then resolves as `cancelled`. */
  signal?: AbortSignal | undefined
  onOutput?: ((stream: StreamName, chunk: Buffer) => void) | undefined
  /** How many first bytes of each stream the result keeps. Default 1 MiB; `onOutput` sees everything. */
  keepBytes?: number | undefined
  /** Starts at most once under this key, where the target can promise that (`startsOnce`). */
  key?: string | undefined
  /** With `key`: asks for what was started under it, and starts nothing; `lost` when nobody knows of it. */
  attachOnly?: boolean | undefined
  /** Told how the command can be found again, as soon as that is known. Must not throw. */
  onStart?: ((command: CommandHandle) => void) | undefined
  /** The command must finish even when this process, the link or the daemon ends. */
  durable?: boolean | undefined
}

export type Exited = {
  kind: 'exited'
  /** 128 + N when signal N ended it. */
  code: number
  signal: string | null
  stdout: Buffer
  stderr: Buffer
  stdoutTruncated: boolean
  stderrTruncated: boolean
  durationMs: number
}

type Kept = Omit<Exited, 'kind' | 'code' | 'signal'>

export type ExecResult =
  | Exited
  | ({ kind: 'timeout' } & Kept)
  | ({ kind: 'cancelled' } & Kept)
  /** Nothing ran, and that is certain. */
  | {
      kind: 'not-started'
      why: 'not-found' | 'not-executable' | 'bad-cwd' | 'busy' | 'too-large' | 'other'
      detail: string
    }
  | { kind: 'denied'; rule: string }
  | { kind: 'auth-failed' }
  /** The link could not be made; nothing ran. */
  | { kind: 'unreachable'; reason: string; hint?: string | undefined }
  /** The link ended after the command was sent: whether it ran, or still runs, is not known. */
  | { kind: 'lost'; reason: string }

export type Announced = {
  kind: 'announced'
  /** A hash of the words of the command, which may hold secrets. */
  argv: string
  /** Clock ticks since the boot. */
  at: number
  boot: string
}

/** How a command is found again by somebody who did not start it. `announced`: the next thing would be its process. */
export type CommandHandle =
  | Announced
  | { kind: 'process'; pid: number; started: string | null; boot: string | null }
  | { kind: 'job'; job: string }
  | { kind: 'key'; key: string }
  /** It has noted itself under this name on the host that it runs on. */
  | { kind: 'marked'; mark: string }

/** `end`: ends it, with all that descends from it; otherwise its own end is waited for, and it is ended when its time is over. */
export type Overtaking = {
  end: boolean
  timeoutMs: number
  /** Whether what it has started counts too, when it has itself ended and left that behind. */
  leftBehind: boolean
  signal: AbortSignal
  /** Called once, when it is found to run still. */
  onWaiting(): void
}

export type Transport = {
  /** As written in the report: `local`, `hostlink:desktop`, `ssh:host`. */
  readonly name: string
  /** Absent: the target has a POSIX shell, and what hostops does there itself is text for that. */
  readonly tools?: HostTools
  /** Whether `key` is honoured, so that a lost command may be asked for again without running twice. */
  readonly startsOnce: boolean
  /** Whether `attachOnly` is honoured. */
  readonly attaches?: boolean
  exec(command: Command, options: ExecOptions): Promise<ExecResult>
  /** A durable command is near: what its start takes may begin. Never rejects or waits. */
  prepareDurable?(): void
  /** Of a command that another runner has started, and does not look after any more. Absent: nobody can tell. */
  overtake?(command: CommandHandle, options: Overtaking): Promise<'ended' | 'running' | 'unknown'>
  /** Idempotent; ends nothing that is durable. */
  close(): Promise<void>
}

export type Connected =
  | { ok: true; transport: Transport }
  | { ok: false; problem: 'unreachable'; reason: string; hint?: string | undefined }
  | { ok: false; problem: 'auth-failed' }
  | { ok: false; problem: 'bad-target'; reason: string; hint?: string | undefined }

/** What `connect` is given. */
export type TransportOptions = {
  env: Readonly<Record<string, string | undefined>>
  /** Where durable commands of `local` keep their output; must outlast the run. Made when it is missing. */
  jobsFolder?: string
  connectTimeoutMs?: number
  signal?: AbortSignal
}
