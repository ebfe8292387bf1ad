/**
 * Any words, and a daemon that answers anything: hostops-trigger ends with a code, prints one result line or none, nothing that
 * passes for one, nothing that steers a terminal and no value, and asks the daemon for nothing that it was not told.
 * HOSTOPS_FUZZ_SECONDS=600 goes on for so long, with other seeds.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { RESULT_PREFIX } from '../../src/report/result-line.ts'
import { trigger } from '../../src/serve/trigger/trigger.ts'
import { frame } from '../rig/peer.ts'
import { type Reply, startScripted } from '../rig/scripted-daemon.ts'
import { type Call, call, good, LINE, type Saying, SECRET } from '../rig/trigger-calls.ts'

const SEED = 20261201
const SECONDS = Number(process.env['HOSTOPS_FUZZ_SECONDS'] ?? 0)
const SHORT_RUNS = 12
/** Calls at a time: most of one is waiting. */
const BATCH = 20

type Json = Record<string, unknown>
const folder = mkdtempSync(join(tmpdir(), 'trigger-fuzz-'))
const tokenFile = join(folder, 'token')
writeFileSync(tokenFile, 'some-token-0123456789', { mode: 0o600 })
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const DEEP = `${'['.repeat(9000)}${']'.repeat(9000)}`

/** Whether it is a refusal, which says that nothing was done. */
function say(request: Json, reply: Reply, { damages, wire, status }: Saying): boolean {
  const answer = good(request)
  for (const { at, value, also } of damages) {
    const places = placesIn(answer)
    const place = places[at % places.length]
    if (place) place.holder[place.key] = structuredClone(value)
    if (also) answer[also[0]] = structuredClone(also[1])
  }
  // Reports travel as text within the text.
  const stdout = answer['stdout']
  if (typeof stdout === 'string' && damages.length > 1)
    answer['stdout'] = stdout.replace('"error":null', '"error":7')
  const envelope = { version: 1, id: request['id'], node: 'x', status: status ?? 'ok' }
  const text = JSON.stringify({ ...answer, ...envelope }).replaceAll('"#DEEP#"', DEEP)
  const bytes = frame(text)
  const { socket } = reply
  if (wire === 'whole') socket.write(bytes)
  else if (wire === 'cut') socket.end(bytes.subarray(0, bytes.length / 2))
  else if (wire === 'garbage') socket.end('garbage garbage garbage')
  else if (wire === 'closed') socket.end()
  else if (wire === 'foreign') socket.write(frame(text.replace(String(request['id']), 'foreign')))
  else {
    for (let n = 0; n < 50; n++) reply.output('stdout', `${LINE}\n`)
    socket.write(bytes)
  }
  const { failure } = answer as { failure?: { code?: unknown } | null }
  return (wire === 'whole' || wire === 'output') && (status !== null || typeof failure?.code === 'string')
}

type Place = { holder: Json; key: string }
const placesIn = (value: unknown): Place[] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.keys(value).flatMap(key => [{ holder: value as Json, key }, ...placesIn((value as Json)[key])])

async function play({ words, sayings }: Call): Promise<void> {
  let refused = false
  let asked = 0
  const daemon = await startScripted((request, reply) => {
    const saying = sayings[asked++]
    // Nobody waits here for the retries of a request that is lost again and again.
    if (saying !== undefined) refused = say(request, reply, saying) || refused
    else {
      refused = true
      reply.answer({ status: 'bad_request', error_msg: 'enough' })
    }
  })
  const { at } = daemon.endpoint
  const env = { HOSTLINK_SOCKET: at.kind === 'unix' ? at.path : '', HOSTLINK_TOKEN_FILE: tokenFile }
  let out = ''
  let err = ''
  try {
    const code = await trigger(words, env, {
      out: text => {
        out += text
      },
      err: text => {
        err += text
      },
    })
    judge(words, { code, out, err, requests: daemon.requests, refused })
  } finally {
    await daemon.stop()
  }
}

type Seen = { code: number; out: string; err: string; requests: Json[]; refused: boolean }

function judge(words: readonly string[], { code, out, err, requests, refused }: Seen): void {
  const [command = ''] = words
  expect(Number.isInteger(code)).toBe(true)
  // Nothing steers a terminal, and nothing ends a line but we.
  expect(out).not.toMatch(
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/,
  )
  expect(err).not.toMatch(
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/,
  )
  for (const line of err.split('\n')) expect(line).toMatch(/^($|error: |hint: |no step of )/)
  expect(err).not.toContain('    at ')
  const results = out.split('\n').filter(line => line.startsWith(RESULT_PREFIX))
  const isRun = ['run', 'check', 'confirm', 'cancel', 'wait', 'report'].includes(command)
  expect(results.length).toBeLessThanOrEqual(isRun ? 1 : 0)
  if (['run', 'check', 'confirm', 'cancel'].includes(command)) expect(results).toHaveLength(1)
  if (results.length > 0) {
    expect(out).toBe(`${results[0]}\n`)
    const told = JSON.parse(out.slice(RESULT_PREFIX.length))
    expect(told.runId).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
    const isHeard = requests.some(({ action }) => ['start', 'confirm', 'cancel'].includes(String(action)))
    // A host that was asked and did not say no may have done it.
    if (isHeard && !refused && told.outcome === 'invalid') expect(told.errorCode).not.toBe('usage')
    if (isHeard && !refused) expect(told.outcome).not.toBe('unreachable')
  }
  if (command === 'logs') for (const line of out.split('\n')) expect(line).toMatch(/^($|[\w.-]+ \| )/)
  if (command === 'ask' && out.startsWith('{')) expect(out.length).toBeLessThan(6 * 150_000)
  // What was given as a value is told to the daemon only.
  const isAnswered = requests.some(({ type }) => type === 'run')
  if (!isAnswered) expect(out + err).not.toContain(SECRET)
  for (const request of requests) {
    if (request['type'] === 'ping') continue
    expect(request['type']).toBe('run')
    if (command === 'ask') {
      expect(request['action']).toBe(words[1])
      expect((request['playbook'] as Json | undefined)?.['text']).toBeUndefined()
      continue
    }
    expect(['start', 'list', 'playbooks', 'report', 'wait', 'logs', 'confirm', 'cancel']).toContain(
      request['action'],
    )
    if (request['action'] !== 'start') continue
    expect(words).toContain((request['playbook'] as Json)['name'])
    expect(Object.keys(request['playbook'] as Json)).toEqual(['name'])
    for (const key of Object.keys(request['options'] as Json)) expect(['check', 'plan']).toContain(key)
    expect(request['inputs']).toBeUndefined()
  }
}

test(
  'any words and any answers',
  async () => {
    const until = Date.now() + SECONDS * 1000
    const batch = fc.array(call, { minLength: BATCH, maxLength: BATCH })
    const property = fc.asyncProperty(batch, async calls => {
      const ends = await Promise.allSettled(calls.map(play))
      const [failed] = ends.flatMap((end, at) =>
        end.status === 'rejected' ? [`${JSON.stringify(calls[at])}\n${end.reason}`] : [],
      )
      if (failed !== undefined) throw new Error(failed)
    })
    for (let seed = SECONDS > 0 ? Date.now() % 1e9 : SEED; ; seed++) {
      await fc.assert(property, { seed, numRuns: SHORT_RUNS, endOnFailure: true })
      if (Date.now() >= until) return
    }
  },
  SECONDS * 1000 + 120_000,
)
