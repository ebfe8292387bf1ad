/** Commands through a hostlink daemon: ours with all it offers, the existing one with what it has. */

import { readFileSync } from 'node:fs'
import { connect } from '../hostlink/link/client.ts'
import { type EndpointProblem, resolveEndpoint } from '../hostlink/link/endpoint.ts'
import type { ConnectOptions, Link, LinkFailure, Result } from '../hostlink/link/link.ts'
import type { ExecAnswer } from '../hostlink/messages.ts'
import type { StreamName } from '../process/stream-name.ts'
import { overtakeJob, overtakeKey } from './adopt-orphan.ts'
import { collectOutput, DEFAULT_KEEP_BYTES, type OutputCollector } from './collect-output.ts'
import { patiently, runHostlinkJob, UNKNOWN_KEY, wireKey } from './hostlink-job.ts'
import { fitsInto, hostlinkRequest, type WireCommand } from './hostlink-request.ts'
import { connectedOfFailure, resultOfAnswer, resultOfFailure } from './hostlink-result.ts'
import { unquotable } from './quote.ts'
import type {
  Command,
  CommandHandle,
  Connected,
  ExecOptions,
  ExecResult,
  Overtaking,
  Transport,
  TransportOptions,
} from './transport.ts'

/** What the existing daemon has when its configuration says nothing. */
const USUAL_LIMIT_MS = 300_000
const LONGEST_TIMER_MS = 2 ** 31 - 1
const REATTACH_TIMES = 5
/** Without streaming all output is one JSON text in memory. */
const MOST_UNSTREAMED_BYTES = 4 * 1024 * 1024

type OpenedLink = { ok: true; link: Link } | Extract<Connected, { ok: false }>

/** The link itself, for what is no command: runs on the host. */
export async function openLink(
  name: string | undefined,
  options: TransportOptions & Pick<ConnectOptions, 'maxAnswerBytes'>,
): Promise<OpenedLink> {
  const resolved = resolveEndpoint(name === undefined ? {} : { target: name }, options.env, readIfThere)
  if (!resolved.ok) return badEndpoint(resolved.problem)
  const { signal, connectTimeoutMs, maxAnswerBytes } = options
  const connected = await connect(resolved.endpoint, {
    ...(signal ? { signal } : {}),
    ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
    maxAnswerBytes,
  })
  return connected.ok ? { ok: true, link: connected.value } : connectedOfFailure(connected.failure)
}

export async function connectHostlink(
  name: string | undefined,
  options: TransportOptions,
): Promise<Connected> {
  const opened = await openLink(name, options)
  if (!opened.ok) return opened
  const { link } = opened
  const limit = link.hello.max_timeout_ms ?? (await limitOf(link))
  if (typeof limit !== 'number') {
    link.close()
    return connectedOfFailure(limit)
  }
  return {
    ok: true,
    transport: hostlinkTransport(name === undefined ? 'hostlink' : `hostlink:${name}`, link, limit),
  }
}

function hostlinkTransport(name: string, link: Link, longestMs: number): Transport {
  return {
    name,
    startsOnce: link.features.has('key'),
    attaches: link.features.has('key') && link.features.has('attach'),
    exec: (command, options) => run(link, longestMs, command, options),
    overtake: (command, options) => overtake(link, command, options),
    close: async () => link.close(),
  }
}

async function overtake(link: Link, command: CommandHandle, options: Overtaking) {
  if (command.kind !== 'job' && command.kind !== 'key') return 'unknown'
  if (command.kind === 'job') {
    const info = async () => {
      const told = await patiently(() => link.jobStatus(command.job), true, options.signal)
      return told.ok ? told.value : null
    }
    return overtakeJob(info, () => link.jobCancel(command.job), options)
  }
  if (!link.features.has('cancel')) return 'unknown'
  const end = async () => {
    const told = await patiently(() => link.cancel({ key: command.key }), true, options.signal)
    return told.ok ? told.value : null
  }
  return overtakeKey(end, options)
}

/** The existing daemon tells its limit only to those who ask for more. */
async function limitOf(link: Link): Promise<number | LinkFailure> {
  const probe = await link.exec({ command: ':', timeoutMs: LONGEST_TIMER_MS })
  if (probe.ok) return probe.value.timeout_effective_ms ?? USUAL_LIMIT_MS
  return probe.failure.kind === 'refused' ? USUAL_LIMIT_MS : probe.failure
}

async function run(
  link: Link,
  longestMs: number,
  command: Command,
  options: ExecOptions,
): Promise<ExecResult> {
  const problem = unquotable(command)
  if (problem !== null) return { kind: 'not-started', why: 'other', detail: problem }
  const output = collectOutput(options)
  if (options.signal?.aborted) return { kind: 'cancelled', ...output.kept(0) }
  const request = hostlinkRequest(command, link.features)
  if (!request.ok) return { kind: 'not-started', why: request.why, detail: request.detail }
  const most = link.hello.max_request_bytes
  if (!fitsInto(most, request.wire))
    return {
      kind: 'not-started',
      why: 'too-large',
      detail: `the daemon takes requests of at most ${most} bytes`,
    }
  if (options.durable || options.timeoutMs > longestMs)
    return runHostlinkJob(link, request.wire, command, withTimer(options), output)
  return runDirect(link, request.wire, withTimer(options), output)
}

const withTimer = (options: ExecOptions): ExecOptions => ({
  ...options,
  timeoutMs: Math.max(1, Math.min(Math.ceil(options.timeoutMs), LONGEST_TIMER_MS)),
})

async function runDirect(
  link: Link,
  wire: WireCommand,
  options: ExecOptions,
  output: OutputCollector,
): Promise<ExecResult> {
  const streams = link.features.has('stream')
  const key = link.features.has('key') ? wireKey(options.key) : undefined
  const splice = spliced(output)
  if (key !== undefined) options.onStart?.({ kind: 'key', key })
  const ask = (): Promise<Result<ExecAnswer>> =>
    link.exec({
      ...wire,
      timeoutMs: options.timeoutMs,
      ...(options.signal ? { signal: options.signal } : {}),
      // A keyed command outlives the link, so that it can be attached to; the limit ends it all the same.
      cancelOnDisconnect: key === undefined,
      ...(key === undefined ? {} : { key, reattach: REATTACH_TIMES, onReattach: splice.begin }),
      ...(options.attachOnly ? { attachOnly: true } : {}),
      ...(streams ? { onOutput: splice.take } : unstreamed(options)),
    })
  const result = await patiently(ask, false, options.signal)
  if (!result.ok) {
    const { failure } = result
    if (options.attachOnly && failure.kind === 'refused' && failure.status === 'not_found')
      return { kind: 'lost', reason: UNKNOWN_KEY }
    const told = resultOfFailure(result.failure, output)
    return splice.isAttached() ? onceSent(told) : told
  }
  if (streams) splice.end(result.value)
  else takeTexts(result.value, output)
  return resultOfAnswer(result.value, wire.argv?.[0] ?? '', output)
}

/** It was sent before the link was lost: not to reach the daemon again does not mean that nothing runs there. */
function onceSent(result: ExecResult): ExecResult {
  if (result.kind === 'unreachable') return { kind: 'lost', reason: result.reason }
  return result.kind === 'auth-failed'
    ? { kind: 'lost', reason: 'the daemon does not accept the token any more' }
    : result
}

function unstreamed({ keepBytes = DEFAULT_KEEP_BYTES, onOutput }: ExecOptions) {
  const most = onOutput ? Math.max(keepBytes, MOST_UNSTREAMED_BYTES) : Math.max(1, keepBytes)
  return { maxStdoutBytes: most, maxStderrBytes: most }
}

function takeTexts(answer: ExecAnswer, output: OutputCollector): void {
  for (const stream of ['stdout', 'stderr'] as const) {
    const bytes = Buffer.from(answer[stream] ?? '')
    if (bytes.length > 0) output.take(stream, bytes)
    if (answer[`${stream}_truncated`] === true || answer[`${stream}_binary`] === true) output.missed(stream)
  }
}

/**
 * An attached stream begins again as far back as the daemon keeps it, normally at its beginning: what was seen is
 * skipped. Where it began later, which only the final count can tell, the output has a hole and is marked so.
 */
function spliced(output: OutputCollector) {
  const attached = { stdout: 0, stderr: 0 }
  const skip = { stdout: 0, stderr: 0 }
  let isAttached = false
  return {
    isAttached: () => isAttached,
    take(stream: StreamName, data: Buffer): void {
      attached[stream] += data.length
      const skipped = Math.min(skip[stream], data.length)
      skip[stream] -= skipped
      if (skipped < data.length) output.take(stream, data.subarray(skipped))
    },
    begin(): void {
      isAttached = true
      for (const stream of ['stdout', 'stderr'] as const) {
        attached[stream] = 0
        skip[stream] = output.seen(stream)
      }
    },
    end(answer: ExecAnswer): void {
      if (!isAttached && answer.attached !== true) return
      for (const stream of ['stdout', 'stderr'] as const) {
        const all = answer[`${stream}_original_bytes`]
        if (all === undefined || all !== attached[stream]) output.missed(stream)
      }
    },
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function badEndpoint(problem: EndpointProblem): Extract<Connected, { ok: false }> {
  const bad = (reason: string, hint?: string): Extract<Connected, { ok: false }> => ({
    ok: false,
    problem: 'bad-target',
    reason,
    hint,
  })
  switch (problem.kind) {
    case 'conflict':
      return bad(`${problem.options[0]} and ${problem.options[1]} exclude each other`)
    case 'bad-address':
      return bad(`"${problem.text}" is no address`, 'an address is host or host:port')
    case 'no-targets-file':
      return bad(
        problem.wanted === undefined
          ? 'there is no targets file'
          : `there is no targets file to find "${problem.wanted}" in`,
        `write one of: ${problem.searched.join(', ')}`,
      )
    case 'targets-file':
      return bad(`${problem.file}: ${problem.reason}`)
    case 'targets-invalid': {
      const [first] = problem.problems
      return bad(first ? `${first.file}:${first.line}: ${first.reason}` : 'the targets file is invalid')
    }
    case 'unknown-target':
      return bad(
        `${problem.file} has no target "${problem.name}"`,
        problem.known.length === 0 ? undefined : `it has: ${problem.known.join(', ')}`,
      )
    case 'no-token':
      return bad('there is no token for hostlink', 'set HOSTLINK_TOKEN_FILE, or token_file in targets.conf')
    case 'token-file':
      return bad(`${problem.file} (from ${problem.from}): ${problem.reason}`)
    case 'bad-token':
      return bad(`the token from ${problem.from} is empty`)
  }
}
