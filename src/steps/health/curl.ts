/**
 * One HTTP request with the target's own curl. Nothing but this command line counts: no ~/.curlrc (`-q`), no
 * redirects, no patterns in URLs, no other protocols, no proxy for the target itself.
 */
import * as z from 'zod'
import { commandFailed } from '../command/run-command.ts'
import { lines } from '../contract/plain-text.ts'
import type { StepContext } from '../contract/step.ts'
import { type Answer, type Expect, objection } from './http-expect.ts'

export type HttpRequest = {
  url: string
  timeoutMs: number
  headers?: Readonly<Record<string, string>>
  /** POSTs this text. */
  body?: string
}

const BODY_LIMIT = 64 * 1024
/** Behind the body's stream, on stderr, where no body can write. */
const MARK = 'hostops-http'
const WRITE_OUT = `%{stderr}\n${MARK} %{http_code}\n`

export const urlField = () =>
  z.string().max(8192).refine(isHttpUrl, 'an http:// or https:// URL without blanks and control characters')

export function curlArgv(request: HttpRequest): string[] {
  const seconds = String(Math.max(request.timeoutMs, 1) / 1000)
  return [
    'curl',
    '-q',
    '-sS',
    '--globoff',
    ...['--proto', '=http,https'],
    ...['--max-redirs', '0'],
    ...['--connect-timeout', seconds],
    ...['--max-time', seconds],
    ...(isLoopback(request.url) ? ['--noproxy', '*'] : []),
    ...Object.entries(request.headers ?? {}).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    // --data-raw, because a leading @ in --data would name a file.
    ...(request.body === undefined ? [] : ['--data-raw', request.body]),
    ...['-w', WRITE_OUT],
    ...['--url', request.url],
  ]
}

/** An answer, or why there was none. A curl that is missing or does not understand us is a failure of the step. */
async function request(ctx: StepContext, options: HttpRequest): Promise<Answer | string> {
  const argv = curlArgv(options)
  const done = await ctx.exec({
    argv,
    repeatable: options.body === undefined,
    quiet: true,
    keepBytes: BODY_LIMIT,
    timeoutMs: options.timeoutMs + 5_000,
  })
  const status = new RegExp(`^${MARK} (\\d{3})$`, 'm').exec(done.stderr)?.[1]
  if (done.code === 0 && status !== undefined) return { status: Number(status), body: done.stdout }
  if (status === undefined || UNUSABLE.has(done.code)) throw commandFailed(argv, done)
  const said = lines(done.stderr).find(line => line.startsWith('curl: '))
  return said?.replace(/^curl: \(\d+\) /, '') ?? `curl ended with exit code ${done.code}`
}

export type FetchedAnswer = {
  /** What is wrong; null: nothing. */
  problem: string | null
  /** Null: there was none. */
  answer: Answer | null
}

export async function fetchAnswer(
  ctx: StepContext,
  options: HttpRequest,
  expect: Expect,
): Promise<FetchedAnswer> {
  const answer = await request(ctx, options)
  if (typeof answer === 'string') return { problem: answer, answer: null }
  return { problem: objection(answer, expect, ctx.redact), answer }
}

/** Exit codes that speak of curl itself: failed to start, a bad option, no such protocol or feature. */
const UNUSABLE = new Set([2, 4, 48])

function isHttpUrl(text: string): boolean {
  if (!/^https?:\/\/[^\s\u0000-\u001f\u007f\\]+$/i.test(text)) return false
  return URL.canParse(text)
}

/** Without a password, for people. */
export const shownUrl = (url: string) => url.replace(/^(https?:\/\/)[^/?#]*@/i, '$1')

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname)
}
