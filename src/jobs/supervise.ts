/**
 * Runs one job, alone in its session, so that neither the client's nor the daemon's end is the job's end. Owns the command's
 * output, its timeout, its cancelling and the record of its end.
 */

import {
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { constants as osConstants } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onBell } from '../process/bell.ts'
import { identify, type ProcessIdentity } from '../process/identity.ts'
import { type ProcessEnd, type Running, startProcess } from '../process/process.ts'
import { quietly } from '../process/quietly.ts'
import { renameOver, syncFolder } from '../process/replace.ts'
import { startFailureCode } from '../process/start.ts'
import { systemError } from '../process/system-error.ts'
import type { JobSpec } from './job-spec.ts'
import type { End, Supervisor } from './spool.ts'
import { replaceFile } from './spool-files.ts'
import { openSpoolWriter, type SpoolWriter } from './spool-output.ts'

type Outputs = { stdout: SpoolWriter; stderr: SpoolWriter }
type Outcome = Omit<End, 'ended_at' | 'stdout_original_bytes' | 'stderr_original_bytes'>

/** The record of an end has at most this size, which is reserved before the command starts. */
const RECORD_BYTES = 4096
const RECORD_RETRY_MS = 1000
const RECORD_RETRIES = 3600

export async function supervise(folder: string, said: () => Promise<string> | string): Promise<void> {
  process.umask(0o077)
  const self = identify(process.pid)
  if (self === null) throw new Error('this process cannot find itself')
  const control = listen(folder)
  // From here on a canceller rings; before that, the file that he has left is found below.
  await replaceFile(folder, 'supervisor', JSON.stringify({ self, command: null }))
  const record = reserveRecord(folder)
  const input = await said()
  // Broken off where the process that started the job has ended; it has checked what it sends.
  const spec = quietly(() => JSON.parse(input) as JobSpec)
  if (spec === undefined) return record.write(failure('the daemon went away before the job began'), null)
  const outputs = {
    stdout: openSpoolWriter(folder, 'stdout', spec.maxSpoolBytes),
    stderr: openSpoolWriter(folder, 'stderr', spec.maxSpoolBytes),
  }
  const outcome = await run(folder, spec, outputs, self, control)
  await record.write(outcome, outputs)
}

type Control = {
  /** Why the job is to end before its time, or null. */
  reason(): string | null
  attach(running: Running): void
}

/** Cancelling is a file, so that it is found by a supervisor that has yet to start, and a signal that says: look. */
function listen(folder: string): Control {
  let running: Running | null = null
  let reason: string | null = null
  const stop = (why: string, signal: NodeJS.Signals) => {
    reason ??= why
    running?.terminate(signal)
  }
  const look = () => {
    const asked = askedSignal(folder)
    if (asked !== null) stop('cancelled', asked)
  }
  onBell(look)
  process.on('SIGTERM', () => stop('cancelled: the supervisor was told to stop', 'SIGTERM'))
  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})
  return {
    reason: () => {
      if (running === null) look()
      return reason
    },
    attach: started => {
      running = started
      look()
      if (reason !== null && askedSignal(folder) === null) started.terminate('SIGTERM')
    },
  }
}

function askedSignal(folder: string): NodeJS.Signals | null {
  const asked = quietly(() => readFileSync(join(folder, 'cancel'), 'latin1').trim())
  if (asked === undefined) return null
  return asked === 'KILL' ? 'SIGKILL' : 'SIGTERM'
}

async function run(folder: string, spec: JobSpec, outputs: Outputs, self: ProcessIdentity, control: Control) {
  const early = control.reason()
  if (early !== null) return failure(early)
  const { file, argv0, args, env } = spec.command
  const running = startProcess(
    {
      argv: [argv0, ...args],
      file,
      env,
      cwd: spec.workdir,
      cwdIs: spec.workdirIs,
      timeoutMs: spec.timeoutMs,
      onStart: (pid, command) => announce(folder, pid, { self, command }),
    },
    { stdout: chunk => outputs.stdout.write(chunk), stderr: chunk => outputs.stderr.write(chunk) },
  )
  control.attach(running)
  return outcomeOf(await running.ended, argv0, control.reason())
}

/** Sync and in this order: who sees the state `running` also sees the pid. */
function announce(folder: string, pid: number, supervisor: Supervisor): void {
  try {
    writeFileSync(join(folder, 'pid'), `${pid}\n`, { mode: 0o600 })
    writeFileSync(join(folder, 'supervisor.part'), JSON.stringify(supervisor), { mode: 0o600 })
    renameOver(join(folder, 'supervisor.part'), join(folder, 'supervisor'))
  } catch {
    // A full disk: the job then looks as if it were starting until it ends, which is better than to end it.
  }
}

function outcomeOf(ended: ProcessEnd, argv0: string, reason: string | null): Outcome {
  switch (ended.how) {
    case 'exited':
      return exited(ended.code, ended.durationMs, reason)
    case 'cancelled': {
      const code = ended.signal === null ? ended.code : 128 + osConstants.signals[ended.signal]
      return exited(code ?? -1, ended.durationMs, reason ?? 'cancelled')
    }
    case 'timeout':
      return { state: 'timeout', exit_code: -2, duration_ms: ended.durationMs }
    case 'output-failed':
      return failure(`output lost: ${ended.error.message}`, ended.durationMs)
    case 'not-started': {
      const { words } = systemError({ code: ended.errno })
      if (ended.what === 'workdir') return failure(`workdir not accessible: ${words}`)
      if (ended.what === 'system') return failure(`spawn failed: ${words}`)
      return exited(startFailureCode(ended.errno), 0, `${argv0}: ${words}`)
    }
  }
}

const exited = (code: number, durationMs: number, message: string | null): Outcome => ({
  state: 'exited',
  exit_code: code,
  duration_ms: durationMs,
  ...(message === null ? {} : { error_msg: message }),
})

const failure = (message: string, durationMs = 0): Outcome => ({
  state: 'error',
  exit_code: -1,
  duration_ms: durationMs,
  error_msg: message,
})

/**
 * Takes the room for the record of the end while there is some: a job whose output filled the disk still tells how
 * it ended. Written to disk and then renamed, so that it is never seen in part.
 */
function reserveRecord(folder: string): { write(outcome: Outcome, outputs: Outputs | null): Promise<void> } {
  const part = join(folder, 'status.part')
  const fd = openSync(part, 'wx', 0o600)
  writeSync(fd, Buffer.alloc(RECORD_BYTES, ' '))
  return {
    write: async (outcome, outputs) => {
      const record = Buffer.from(JSON.stringify(endOf(outcome, outputs)))
      for (let attempt = 0; attempt < RECORD_RETRIES && existsSync(folder); attempt += 1) {
        try {
          writeSync(fd, record, 0, record.length, 0)
          ftruncateSync(fd, record.length)
          fsyncSync(fd)
          renameOver(part, join(folder, 'status'))
          syncFolder(folder)
          return
        } catch {
          await sleep(RECORD_RETRY_MS)
        }
      }
    },
  }
}

function endOf(outcome: Outcome, outputs: Outputs | null): End {
  const lost = outputs?.stdout.failure ?? outputs?.stderr.failure ?? null
  const message = [outcome.error_msg, lost === null ? undefined : `output was not kept in full: ${lost}`]
    .filter(part => part !== undefined)
    .join('; ')
  return {
    ...outcome,
    ended_at: Math.floor(Date.now() / 1000),
    stdout_original_bytes: outputs?.stdout.originalBytes ?? 0,
    stderr_original_bytes: outputs?.stderr.originalBytes ?? 0,
    ...(message === '' ? {} : { error_msg: message.slice(0, RECORD_BYTES / 4) }),
  }
}
