/** One JSON line for each request: who, what, verdict, end. Never throws and never makes a request wait. */
import { createHash } from 'node:crypto'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeFolder } from '../../process/make-folder.ts'
import { systemReason } from '../../process/system-error.ts'
import type { Config } from './config/config.ts'
import type { Log } from './config/log.ts'
import { redactArgv, redactEnv, redactText } from './policy/redact.ts'

export type AuditEntry = {
  /** Token name; null where authentication failed. */
  readonly token: string | null
  /** `unix:uid=1000,pid=42`, `tcp:127.0.0.1:5000`, or what is known of the peer. */
  readonly peer: string
  readonly type: string
  readonly id: string
  readonly argv?: readonly string[] | undefined
  readonly command?: string | undefined
  readonly workdir?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly job_id?: string | undefined
  readonly key?: string | undefined
  readonly run?:
    | { action?: string | undefined; run_id?: string | undefined; playbook?: string | undefined }
    | undefined
  readonly verdict: 'allowed' | 'denied' | 'auth_failed' | 'bad_request' | 'error'
  readonly rule?: string | undefined
  readonly exit_code?: number | undefined
  readonly duration_ms?: number | undefined
}

export type Audit = {
  write(entry: AuditEntry): void
  /** Waits until everything so far is on disk. */
  flush(): Promise<void>
  close(): Promise<void>
}

type AuditOptions = {
  readonly config: () => Config
  readonly log: Log
  /** The tokens' texts: they appear in no line. */
  readonly secrets: () => readonly string[]
}

const DEFAULT_NAME = 'audit.ndjson'
/** At this size the file becomes `.1`, in place of an older one. */
const ROTATE_BYTES = 16 * 1024 * 1024
/** Lines that wait for a disk that does not take them; more are dropped and counted. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024
/** One write for all lines of this time: opening the file for each would cost a request more than its ping does. */
const GATHER_MS = 100
const COMPLAIN_EVERY_MS = 60_000

export function openAudit({ config, log, secrets }: AuditOptions): Audit {
  let waiting: string[] = []
  let waitingBytes = 0
  let dropped = 0
  let complainedAt = Number.NEGATIVE_INFINITY
  let writing: Promise<void> | null = null

  const drain = async (path: string) => {
    while (waiting.length > 0) {
      await sleep(GATHER_MS)
      const lines = waiting.join('')
      const count = waiting.length
      waiting = []
      waitingBytes = 0
      try {
        // The output folder is made by whoever needs it first; a folder that somebody chose must be there.
        const { outputTmpdir } = config()
        if (path === join(outputTmpdir, DEFAULT_NAME)) makeFolder(outputTmpdir, 0o700)
        await append(path, lines)
      } catch (error) {
        dropped += count
        complain(`${path}: ${systemReason(error)}`)
      }
    }
    writing = null
  }

  const complain = (reason: string) => {
    if (performance.now() - complainedAt < COMPLAIN_EVERY_MS) return
    complainedAt = performance.now()
    log.error(`audit: ${reason}; ${dropped} lines were lost so far`)
  }

  const write = (entry: AuditEntry) => {
    const path = auditPath(config())
    if (path === null) return
    const line = `${JSON.stringify(lineOf(entry, secrets()))}\n`
    if (waitingBytes + line.length > MOST_WAITING_BYTES) {
      dropped += 1
      return complain(`${path}: the disk does not keep up`)
    }
    waiting.push(line)
    waitingBytes += line.length
    writing ??= drain(path)
  }

  const flush = async () => {
    while (writing !== null) await writing
  }
  return { write, flush, close: flush }
}

export function auditPath({
  auditLog,
  outputTmpdir,
}: Pick<Config, 'auditLog' | 'outputTmpdir'>): string | null {
  if (auditLog === 'none') return null
  return auditLog ?? join(outputTmpdir, DEFAULT_NAME)
}

async function append(path: string, lines: string): Promise<void> {
  let file = await open(path, 'a', 0o600)
  try {
    const { size } = await file.stat()
    if (size > 0 && size + Buffer.byteLength(lines) > ROTATE_BYTES) {
      await file.close()
      await rename(path, `${path}.1`)
      file = await open(path, 'a', 0o600)
    }
    await file.appendFile(lines)
  } finally {
    await file.close()
  }
}

const SHOWN_COMMAND_CHARACTERS = 200
const SHOWN_NAME_CHARACTERS = 64
const SHOWN_WORD_CHARACTERS = 1000
const SHOWN_WORDS = 100
/** All words together: a request must not be able to fill the queue, and so push other lines out of it. */
const SHOWN_ARGV_CHARACTERS = 4000
/** What is looked at for secrets; one that begins in what is shown is found whole. */
const REDACTED_CHARACTERS = 16_384

function lineOf(entry: AuditEntry, secrets: readonly string[]): object {
  const { token, peer, type, id, argv, command, workdir, env, job_id, key, run, verdict, rule, ...rest } =
    entry
  const shown = (text: string, most: number) =>
    redactText(text.slice(0, REDACTED_CHARACTERS), secrets).slice(0, most)
  const short = (text: string | undefined, most = SHOWN_COMMAND_CHARACTERS) =>
    text === undefined ? undefined : shown(text, most)
  return {
    time: new Date().toISOString(),
    token,
    peer,
    type: short(type),
    id: short(id),
    ...(argv === undefined ? {} : argvFields(argv, secrets)),
    ...(command === undefined ? {} : { ...fingerprint(command), command: short(command) }),
    workdir: workdir === undefined ? undefined : shown(workdir, SHOWN_WORD_CHARACTERS),
    env: env === undefined ? undefined : redactEnv(env, secrets),
    // What a request calls its job or key may be anything, and of any length.
    job_id: short(job_id),
    key: short(key),
    run: run && {
      action: short(run.action, SHOWN_NAME_CHARACTERS),
      run_id: short(run.run_id, SHOWN_NAME_CHARACTERS),
      playbook: short(run.playbook, SHOWN_NAME_CHARACTERS),
    },
    verdict,
    rule: rule === undefined ? undefined : shown(rule, SHOWN_WORD_CHARACTERS),
    ...rest,
  }
}

function argvFields(argv: readonly string[], secrets: readonly string[]) {
  const words = argv.slice(0, SHOWN_WORDS).map(word => word.slice(0, REDACTED_CHARACTERS))
  let room = SHOWN_ARGV_CHARACTERS
  const shown: string[] = []
  for (const word of redactArgv(words, secrets)) {
    if (room <= 0) break
    shown.push(word.slice(0, Math.min(SHOWN_WORD_CHARACTERS, room)))
    room -= word.length + 1
  }
  return { argv: shown, ...(argv.length > shown.length ? { argv_words: argv.length } : {}) }
}

const fingerprint = (command: string) => ({
  command_sha256: createHash('sha256').update(command).digest('hex'),
  command_bytes: Buffer.byteLength(command),
})
