/** The library: one kept-alive connection where the daemon offers it, one connection per request otherwise. */

import type { PingAnswer } from '../messages.ts'
import { fail, settlePing, settleRunAnswer } from './answers.ts'
import { type Channel, dial, withSignal } from './channel.ts'
import { type LinkContext, SHORT_ANSWER_MS } from './context.ts'
import { execOver, startOf } from './exec.ts'
import { jobsOver } from './jobs.ts'
import type { Connect, ConnectOptions, Endpoint, Link } from './link.ts'
import { openPool } from './pool.ts'
import { pingBody, requestIds, runBody } from './requests.ts'

export const connect: Connect = async (endpoint, options = {}) => {
  const nextId = requestIds()
  const dialed = await dial(endpoint, options)
  if (!dialed.ok) return dialed
  const channel = dialed.value
  const limits = { answerTimeoutMs: options.answerTimeoutMs ?? SHORT_ANSWER_MS }
  const greeting = await withSignal(channel, pingBody(nextId(), true), limits, options.signal)
  const hello = greeting.ok ? settlePing(greeting.value) : greeting
  if (!hello.ok) {
    channel.close()
    return hello
  }
  return { ok: true, value: makeLink(endpoint, hello.value, channel, options, nextId) }
}

function makeLink(
  endpoint: Endpoint,
  hello: PingAnswer,
  channel: Channel,
  { connectTimeoutMs, maxAnswerBytes }: ConnectOptions,
  nextId: () => string,
): Link {
  const features: ReadonlySet<string> = new Set(hello.features)
  const keepAlive = features.has('keep_alive')
  if (!keepAlive) channel.close()
  const pool = openPool(endpoint, channel, keepAlive, { connectTimeoutMs, maxAnswerBytes })
  const context: LinkContext = {
    pool,
    hello,
    features,
    startedAt: startOf(hello),
    nextId,
    ask: async (body, { signal, answerTimeoutMs = SHORT_ANSWER_MS } = {}, settle) => {
      const result = await pool.send(body, { signal, answerTimeoutMs })
      return result.ok ? settle(result.value) : result
    },
    lacking: (...needed) => {
      const feature = needed.find(name => name !== false && !features.has(name))
      return feature ? { kind: 'unsupported', feature } : null
    },
  }
  return {
    endpoint,
    hello,
    features,
    ping: options => context.ask(pingBody(nextId()), options, settlePing),
    ...execOver(context),
    ...jobsOver(context),
    run: async (action, fields, options) => {
      const missing = context.lacking('run')
      return missing
        ? fail(missing)
        : context.ask(runBody(nextId(), action, fields), options, settleRunAnswer)
    },
    close: pool.close,
  }
}
