/** Commands through the system's own ssh client, over one kept connection, ended where they run. */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { collectOutput, type OutputCollector } from './collect-output.ts'
import { unquotable } from './quote.ts'
import { semaphore } from './semaphore.ts'
import { overtakeOverSsh } from './ssh-adopt-orphan.ts'
import { type Master, openMaster, type SshSettings } from './ssh-master.ts'
import type { SshProblem } from './ssh-problem.ts'
import type { SshJob } from './ssh-script.ts'
import { session } from './ssh-session.ts'
import type { Command, Connected, ExecOptions, ExecResult, Transport, TransportOptions } from './transport.ts'

const CONNECT_TIMEOUT_MS = 10_000
/** sshd takes ten sessions for a connection, and the master has one. */
const MOST_SESSIONS = 8
const RETRY_PAUSES_MS = [100, 300, 900, 2700, 6000]

export async function connectSsh(destination: string, options: TransportOptions): Promise<Connected> {
  if (!/^[^\s\p{C}-][^\s\p{C}]*$/u.test(destination))
    return {
      ok: false,
      problem: 'bad-target',
      reason: `${JSON.stringify(destination)} is no ssh destination`,
      hint: 'write ssh:host, ssh:user@host or ssh:ssh://user@host:port',
    }
  const settings = {
    destination,
    env: options.env,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
  }
  const opened = await openMaster(settings, options.signal)
  if (!opened.ok) return refusedConnection(opened)
  return { ok: true, transport: sshTransport(settings, opened.master) }
}

function refusedConnection(problem: SshProblem): Connected {
  if (problem.problem === 'auth-failed') return { ok: false, problem: 'auth-failed' }
  if (problem.problem === 'busy')
    return { ok: false, problem: 'unreachable', reason: 'the host takes no more sessions' }
  return { ok: false, ...problem }
}

function sshTransport(settings: SshSettings, first: Master): Transport {
  const connection = keepConnected(settings, first)
  const turns = semaphore(MOST_SESSIONS)

  const exec = async (command: Command, options: ExecOptions): Promise<ExecResult> => {
    const problem = unquotable(command)
    if (problem !== null) return { kind: 'not-started', why: 'other', detail: problem }
    const output = collectOutput(options)
    if (!(await turns.enter(options.signal))) return { kind: 'cancelled', ...output.kept(0) }
    try {
      return await persist(settings, connection, { command, options, output })
    } finally {
      turns.leave()
    }
  }

  return {
    name: `ssh:${settings.destination}`,
    // Only durable commands are kept under their key.
    startsOnce: false,
    exec,
    overtake: (command, how) => overtakeOverSsh(exec, command, how),
    close: connection.close,
  }
}

type Connection = ReturnType<typeof keepConnected>

/** Opens a new master where the last one is gone. */
function keepConnected(settings: SshSettings, first: Master) {
  let master = first
  let opening: Promise<SshProblem | Master> | null = null
  let closed = false
  const reopen = async (): Promise<SshProblem | Master> => {
    await master.close()
    const opened = await openMaster(settings)
    opening = null
    if (!opened.ok) return opened
    master = opened.master
    if (closed) await master.close()
    return master
  }
  return {
    async open(): Promise<SshProblem | Master> {
      if (closed) return { problem: 'unreachable', reason: 'the transport was closed' }
      if (master.isOpen()) return master
      opening ??= reopen()
      return opening
    },
    async close(): Promise<void> {
      closed = true
      await opening
      await master.close()
    },
  }
}

type Wanted = { command: Command; options: ExecOptions; output: OutputCollector }

/** Tries again what certainly did not run, and follows a durable command again when the link was lost. */
async function persist(
  settings: SshSettings,
  connection: Connection,
  { command, options, output }: Wanted,
): Promise<ExecResult> {
  const job = options.durable ? jobOf(options.key, command) : null
  const mark = job === null && options.onStart ? randomBytes(16).toString('hex') : null
  if (job) options.onStart?.({ kind: 'job', job: job.name })
  if (mark) options.onStart?.({ kind: 'marked', mark })
  let lost: ExecResult | null = null
  const tryOnce = async (): Promise<{ result: ExecResult; again: boolean }> => {
    const master = await connection.open()
    if ('problem' in master) return { result: lost ?? unreachable(master), again: lost !== null }
    const end = await session(settings, master, { job, mark }, command, options, output)
    if ('never' in end) return { result: lost ?? unreachable(end.never), again: true }
    return { result: end.result, again: end.result.kind === 'lost' && job !== null }
  }
  for (let tries = 0; ; tries++) {
    if (options.signal?.aborted && lost === null) return { kind: 'cancelled', ...output.kept(0) }
    const { result, again } = await tryOnce()
    const pause = RETRY_PAUSES_MS[tries]
    if (!again || pause === undefined) return result
    if (result.kind === 'lost') lost = result
    await sleep(pause)
  }
}

function jobOf(key: string | undefined, { argv, cwd, env }: Command): SshJob {
  const hash = (value: unknown) =>
    createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32)
  return {
    name: hash(key ?? randomBytes(16).toString('hex')),
    digest: hash([argv, cwd, Object.entries(env ?? {}).sort()]),
  }
}

function unreachable(problem: SshProblem): ExecResult {
  switch (problem.problem) {
    case 'auth-failed':
      return { kind: 'auth-failed' }
    case 'busy':
      return {
        kind: 'not-started',
        why: 'busy',
        detail: 'the host takes no more sessions on this connection',
      }
    case 'unreachable':
      return { kind: 'unreachable', reason: problem.reason, hint: problem.hint }
  }
}
