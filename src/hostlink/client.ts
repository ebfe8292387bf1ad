/** The library: one kept-alive connection where the daemon offers it, one connection per request otherwise. */
import {
  fail,
  type Received,
  settleExec,
  settleFlag,
  settleInfo,
  settleJobs,
  settlePing,
  settleTail,
} from './answers.ts'
import { type Channel, type ChannelRequest, dial, type RequestBody, withSignal } from './channel.ts'
import type { Connect, Endpoint, ExecOptions, Link, LinkFailure, RequestOptions, Result } from './link.ts'
import type { ExecAnswer, Feature, PingAnswer } from './messages.ts'
import { cancelBody, execBody, jobAction, jobBody, pingBody, requestIds, tailFields } from './requests.ts'
import { tailBytes } from './tail-bytes.ts'

/** What a daemon may need beyond a command's own limit: TERM, two seconds, KILL, and a slow machine. */
export const ANSWER_GRACE_MS = 15_000
const SHORT_ANSWER_MS = 30_000
const CANCEL_GRACE_MS = 10_000
const WAIT_MS = 60_000
const POLL_MS = 500

export const connect: Connect = async (endpoint, options = {}) => {
  const nextId = requestIds()
  const dialing = definite({ connectTimeoutMs: options.connectTimeoutMs })
  const dialed = await dial(endpoint, definite({ ...dialing, signal: options.signal }))
  if (!dialed.ok) return dialed
  const channel = dialed.value
  const limit = options.answerTimeoutMs ?? SHORT_ANSWER_MS
  const greeting = await withSignal(
    channel,
    pingBody(nextId(), true),
    { answerTimeoutMs: limit },
    options.signal,
  )
  const hello = greeting.ok ? settlePing(greeting.value) : greeting
  if (!hello.ok || hello.value.features?.includes('keep_alive') !== true) channel.close()
  if (!hello.ok) return hello
  return { ok: true, value: makeLink(endpoint, hello.value, channel, dialing, nextId) }
}

function makeLink(
  endpoint: Endpoint,
  hello: PingAnswer,
  first: Channel,
  dialing: { connectTimeoutMs?: number },
  nextId: () => string,
): Link {
  const features: ReadonlySet<string> = new Set(hello.features)
  const startedAt = startOf(hello)
  const keepAlive = features.has('keep_alive')
  const streams: Channel[] = []
  let shared = first
  let opening: Promise<Result<Channel>> | null = null
  let closed = false

  const sharedChannel = (): Promise<Result<Channel>> => {
    if (closed) return Promise.resolve(fail({ kind: 'lost', sent: false, reason: 'the link was closed' }))
    if (!keepAlive) return dial(endpoint, dialing)
    if (shared.isOpen()) return Promise.resolve({ ok: true, value: shared })
    opening ??= dial(endpoint, dialing).then(dialed => {
      opening = null
      if (dialed.ok) shared = dialed.value
      if (closed) shared.close()
      return dialed
    })
    return opening
  }
  const streamChannel = (): Promise<Result<Channel>> => {
    const idle = streams.pop()
    if (idle?.isOpen()) return Promise.resolve({ ok: true, value: idle })
    return idle ? streamChannel() : dial(endpoint, dialing)
  }
  /** A command whose reader is slow must hold up nobody else, so live output has a connection to itself. */
  const send = async (
    body: RequestBody,
    options: RequestOptions & Pick<ChannelRequest, 'onOutput'>,
    onAbort?: (channel: Channel) => void,
  ): Promise<Result<Received>> => {
    const own = options.onOutput !== undefined
    const dialed = await (own && !closed ? streamChannel() : sharedChannel())
    if (!dialed.ok) return dialed
    const channel = dialed.value
    const wire = keepAlive ? { ...body, keep_alive: true } : body
    const request = definite({ answerTimeoutMs: options.answerTimeoutMs, onOutput: options.onOutput })
    const result = await withSignal(channel, wire, request, options.signal, onAbort)
    if (!keepAlive) channel.close()
    else if (own && channel.isOpen() && result.ok && !closed) streams.push(channel)
    else if (own) channel.close()
    return result
  }
  const short = (options: RequestOptions = {}): RequestOptions => ({
    answerTimeoutMs: SHORT_ANSWER_MS,
    ...options,
  })
  const ask = async <T>(
    body: RequestBody,
    options: RequestOptions | undefined,
    settle: (received: Received) => Result<T>,
  ): Promise<Result<T>> => {
    const result = await send(body, short(options))
    return result.ok ? settle(result.value) : result
  }
  const lacking = (...needed: (Feature | false)[]): LinkFailure | null => {
    const feature = needed.find(name => name !== false && !features.has(name))
    return feature ? { kind: 'unsupported', feature } : null
  }
  const cancel: Link['cancel'] = async (what, options) => {
    const missing = lacking('cancel')
    if (missing) return fail(missing)
    const result = await ask(cancelBody(nextId(), what), options, got => settleFlag(got, 'cancelled'))
    return result.ok ? { ok: true, value: result.value.cancelled === true } : result
  }

  const execOnce = async (options: ExecOptions): Promise<Result<ExecAnswer>> => {
    const id = nextId()
    const { cancelOnDisconnect, ...rest } = options
    const guarded = features.has('cancel') ? { ...rest, cancelOnDisconnect } : rest
    const answerTimeoutMs = options.answerTimeoutMs ?? answerLimit(options.timeoutMs, hello)
    const result = await send(
      execBody(id, definite(guarded)),
      definite({ answerTimeoutMs, signal: options.signal, onOutput: options.onOutput }),
      channel => {
        const unconfirmed = () => channel.abandon(id, { kind: 'cancelled', confirmed: false })
        if (!features.has('cancel')) return unconfirmed()
        setTimeout(unconfirmed, CANCEL_GRACE_MS).unref()
        cancel({ id }).then(sent => sent.ok || unconfirmed())
      },
    )
    if (!result.ok) return result
    const settled = settleExec(result.value)
    // A command that our cancel reached may also have ended by the signal, as an ordinary answer.
    const stopped = settled.ok && settled.value.cancelled === true
    return stopped ? fail({ kind: 'cancelled', confirmed: true, answer: settled.value }) : settled
  }
  /** A key keeps its promise only as long as the daemon that saw it lives: a younger one would start anew. */
  const sameDaemon = async (): Promise<boolean> => {
    for (const wait of [0, 100, 400, 1500]) {
      await new Promise(resolve => setTimeout(resolve, wait))
      const again = await ask(pingBody(nextId()), undefined, settlePing)
      if (again.ok) return startOf(again.value) - startedAt < 1500
    }
    return false
  }
  const exec: Link['exec'] = async options => {
    const missing = lacking(
      options.argv !== undefined && 'argv',
      options.onOutput !== undefined && 'stream',
      options.key !== undefined && 'key',
    )
    if (missing) return fail(missing)
    let result = await execOnce(options)
    for (let left = options.key === undefined ? 0 : (options.reattach ?? 0); left > 0; left--) {
      if (result.ok || result.failure.kind !== 'lost' || closed || !(await sameDaemon())) break
      options.onReattach?.()
      result = await execOnce(options)
    }
    return result
  }

  const jobStatus: Link['jobStatus'] = (jobId, options) =>
    ask(jobAction(nextId(), 'status', { job_id: jobId }), options, settleInfo)

  return {
    endpoint,
    hello,
    features,
    cancel,
    exec,
    jobStatus,
    ping: options => ask(pingBody(nextId()), options, settlePing),
    jobList: options => ask(jobAction(nextId(), 'list'), options, settleJobs),
    submitJob: async options => {
      const missing = lacking(options.argv !== undefined && 'argv', options.key !== undefined && 'key')
      if (missing) return fail(missing)
      const result = await ask(jobBody(nextId(), options), options, settleExec)
      if (!result.ok) return result
      const jobId = result.value.job_id
      if (!jobId) return fail({ kind: 'protocol', reason: "the answer's field job_id is missing" })
      return { ok: true, value: { jobId, answer: result.value } }
    },
    jobTail: async (jobId, options = {}) => {
      const missing = lacking(options.waitMs !== undefined && 'job_wait')
      if (missing) return fail(missing)
      const patient = {
        ...options,
        answerTimeoutMs: options.answerTimeoutMs ?? (options.waitMs ?? 0) + SHORT_ANSWER_MS,
      }
      const result = await ask(jobAction(nextId(), 'tail', tailFields(jobId, options)), patient, settleTail)
      return result.ok ? { ok: true, value: { ...result.value, bytes: tailBytes(result.value) } } : result
    },
    jobCancel: async (jobId, options = {}) => {
      const fields = { job_id: jobId, signal: options.kill ? 'KILL' : 'TERM' }
      const result = await ask(jobAction(nextId(), 'cancel', fields), options, got =>
        settleFlag(got, 'signalled'),
      )
      return result.ok ? { ok: true, value: result.value.signalled === true } : result
    },
    jobWait: async (jobId, options = {}) => {
      const { signal, pollMs = POLL_MS } = options
      for (;;) {
        const result = features.has('job_wait')
          ? await ask(
              jobAction(nextId(), 'wait', { job_id: jobId, timeout_ms: WAIT_MS }),
              definite({ signal, answerTimeoutMs: WAIT_MS + SHORT_ANSWER_MS }),
              settleInfo,
            )
          : await jobStatus(jobId, definite({ signal }))
        if (!result.ok || result.value.done) return result
        if (!features.has('job_wait')) await pause(pollMs, signal)
      }
    },
    close: () => {
      closed = true
      shared.close()
      for (const channel of streams) channel.close()
    },
  }
}

/** Seconds since the process began are compared, so a clock that is set does not matter. */
const startOf = (hello: PingAnswer): number => performance.now() - hello.uptime_s * 1000

function answerLimit(timeoutMs: number | undefined, hello: PingAnswer): number | undefined {
  const limit = timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : hello.max_timeout_ms
  return limit === undefined ? undefined : limit + ANSWER_GRACE_MS
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
}

type Definite<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}
/** Leaves out what is undefined, so that it counts as absent. */
const definite = <T extends object>(fields: T): Definite<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Definite<T>
