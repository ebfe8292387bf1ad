import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { connect } from '../../src/hostlink/link/client.ts'
import type { Endpoint, Link, LinkFailure, Result } from '../../src/hostlink/link/link.ts'
import { type OldDaemon, startOldDaemon } from '../rig/old-daemon.ts'
import { type Script, type ScriptedDaemon, startScripted } from '../rig/scripted-daemon.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function linked(endpoint: Endpoint): Promise<Link> {
  const result = await connect(endpoint)
  if (!result.ok) throw new Error(JSON.stringify(result.failure))
  cleanups.push(() => result.value.close())
  return result.value
}
async function scripted(
  script: Script,
  features?: string[],
): Promise<{ daemon: ScriptedDaemon; link: Link }> {
  const daemon = await startScripted(script, features)
  cleanups.push(daemon.stop)
  return { daemon, link: await linked(daemon.endpoint) }
}
async function old(): Promise<{ daemon: OldDaemon; link: Link }> {
  const daemon = await startOldDaemon()
  cleanups.push(daemon.stop)
  const at = { kind: 'unix' as const, path: daemon.socket }
  return { daemon, link: await linked({ at, token: daemon.token, tokenFrom: 'the test' }) }
}
const bad = <T>(result: Result<T>): LinkFailure => {
  if (result.ok) throw new Error(`succeeded: ${JSON.stringify(result.value)}`)
  return result.failure
}
const good = <T>(result: Result<T>): T => {
  if (!result.ok) throw new Error(JSON.stringify(result.failure))
  return result.value
}

describe('one kept-alive connection', () => {
  test('carries many requests, answered in any order', async () => {
    const waiting: (() => void)[] = []
    const { daemon, link } = await scripted((request, reply) => {
      waiting.push(() => reply.answer({ exit_code: Number(request['command']) }))
      if (waiting.length === 20) for (const answer of waiting.reverse()) answer()
    })
    const codes = Array.from({ length: 20 }, (_, index) => index)
    const results = await Promise.all(codes.map(code => link.exec({ command: String(code) })))
    expect(results.map(result => good(result).exit_code)).toEqual(codes)
    expect(daemon.connections()).toBe(1)
    expect(new Set(daemon.requests.map(request => request['id'])).size).toBe(21)
    expect(daemon.requests.every(request => request['keep_alive'] === true)).toBe(true)
  })
  test('is opened again when the daemon closed it while nothing was in flight', async () => {
    const { daemon, link } = await scripted((_, reply) => {
      reply.answer({ exit_code: 0 })
      reply.close()
    })
    good(await link.exec({ command: 'a' }))
    await new Promise(resolve => setTimeout(resolve, 50))
    good(await link.exec({ command: 'b' }))
    expect(daemon.connections()).toBe(2)
  })
  test('one dial serves all that wait for it', async () => {
    let first = true
    const { daemon, link } = await scripted((_, reply) => {
      reply.answer({ exit_code: 0 })
      if (first) reply.close()
      first = false
    })
    good(await link.exec({ command: 'a' }))
    await new Promise(resolve => setTimeout(resolve, 50))
    await Promise.all(['b', 'c', 'd'].map(async command => good(await link.exec({ command }))))
    expect(daemon.connections()).toBe(2)
  })
})

describe('a daemon without additions', () => {
  test('gets one connection per request and none of our fields', async () => {
    const { daemon, link } = await old()
    const results = await Promise.all(
      [0, 7].map(code => link.exec({ command: `exit ${code}`, cancelOnDisconnect: true })),
    )
    expect(results.map(result => good(result).exit_code)).toEqual([0, 7])
    expect(daemon.requests.slice(1).map(request => Object.keys(request))).toEqual(
      Array(2).fill(['version', 'type', 'id', 'token', 'command']),
    )
  })
  test('is not asked for what it lacks', async () => {
    const { daemon, link } = await old()
    const lacking = (result: Result<unknown>) => bad(result)
    expect(lacking(await link.exec({ argv: ['true'] }))).toEqual({ kind: 'unsupported', feature: 'argv' })
    expect(lacking(await link.exec({ command: 'true', key: 'k' }))).toMatchObject({ feature: 'key' })
    expect(lacking(await link.exec({ command: 'true', onOutput: () => {} }))).toMatchObject({
      feature: 'stream',
    })
    expect(lacking(await link.cancel({ id: 'x' }))).toMatchObject({ feature: 'cancel' })
    expect(daemon.requests).toHaveLength(1)
  })
  test('jobs: begun, listed, followed, waited for', async () => {
    const { link } = await old()
    const { jobId } = good(await link.submitJob({ command: 'printf "a\\000b"; exit 3' }))
    expect(good(await link.jobWait(jobId, { pollMs: 20 }))).toMatchObject({ done: true, exit_code: 3 })
    expect(good(await link.jobList()).jobs.map(job => job.job_id)).toEqual([jobId])
    const tail = good(await link.jobTail(jobId))
    expect(tail).toMatchObject({ binary: true, next_offset: 3 })
    // What it cut off at the NUL is lost, but is not taken for base64 either.
    expect(tail.bytes.toString()).toBe('a')
    expect(good(await link.jobCancel(jobId))).toBe(false)
  })
  test('an abort says that the end is not confirmed', async () => {
    const { link } = await old()
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 100)
    expect(bad(await link.exec({ command: 'sleep 5', signal: stop.signal }))).toEqual({
      kind: 'cancelled',
      confirmed: false,
    })
  })
})

describe('live output', () => {
  test('arrives whole and in order, a consumer that is behind holds back the daemon', async () => {
    const block = Buffer.alloc(65_536, 'x')
    let flowing = true
    const { link } = await scripted((request, reply) => {
      let sent = 0
      const more = () => {
        while (sent < 400) {
          sent += 1
          reply.output('stdout', block)
          if (reply.socket.writableNeedDrain) {
            flowing = false
            reply.socket.once('drain', more)
            return
          }
        }
        reply.answer({ exit_code: 0, id: request['id'] })
      }
      more()
    })
    let bytes = 0
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const ended = link.exec({
      command: 'cat',
      onOutput: async (_, data) => {
        bytes += data.length
        await held
      },
    })
    await new Promise(resolve => setTimeout(resolve, 200))
    expect(bytes).toBeLessThanOrEqual(65_536)
    expect(flowing).toBe(false)
    release()
    good(await ended)
    expect(bytes).toBe(400 * 65_536)
  })
  test('a slow consumer delays no other request', async () => {
    const { link } = await scripted((request, reply) => {
      if (request['stream']) reply.output('stdout', 'x')
      else reply.answer({ exit_code: 0 })
    })
    const never = new Promise<void>(() => {})
    void link.exec({ command: 'slow', onOutput: () => never })
    for (let count = 0; count < 5; count += 1) good(await link.exec({ command: 'quick' }))
  })
  test('connections of ended streams are used again', async () => {
    const { daemon, link } = await scripted((_, reply) => {
      reply.output('stderr', 'e')
      reply.answer({ exit_code: 0 })
    })
    const seen: string[] = []
    for (let count = 0; count < 3; count += 1)
      good(await link.exec({ command: 'x', onOutput: (stream, data) => void seen.push(`${stream} ${data}`) }))
    expect(seen).toEqual(['stderr e', 'stderr e', 'stderr e'])
    expect(daemon.connections()).toBe(2)
  })
  test('frames for ids that nobody asked with are passed over', async () => {
    const { link } = await scripted((_, reply) => {
      reply.output('stdout', 'not yours', 'somebody-else')
      reply.output('stdout', 'yours')
      reply.answer({ exit_code: 0 })
    })
    let text = ''
    const onOutput = (_: string, data: Buffer) => {
      text += data
    }
    good(await link.exec({ command: 'x', onOutput }))
    expect(text).toBe('yours')
  })
  test('an error of the consumer is its own', async () => {
    const { link } = await scripted((_, reply) => reply.output('stdout', 'x'))
    const onOutput = () => {
      throw new Error('disk full')
    }
    await expect(link.exec({ command: 'x', onOutput })).rejects.toThrow('disk full')
  })
})

describe('liars', () => {
  const liar = async (script: Script) => {
    const { link } = await scripted(script)
    return bad(await link.exec({ command: 'true' }))
  }
  test.each<[string, Script, string]>([
    [
      'an id that nobody asked with',
      (_, reply) => reply.answer({ id: 'x', exit_code: 0 }),
      'nobody asked with',
    ],
    ['no status', (_, reply) => reply.answer({ status: undefined }), 'status'],
    ['an exit code that is text', (_, reply) => reply.answer({ exit_code: '0' }), 'exit_code'],
    ['output that is a number', (_, reply) => reply.answer({ exit_code: 0, stdout: 7 }), 'stdout'],
    [
      'half an output frame',
      (_, reply) => void reply.socket.write(Buffer.from('484c4e4b0000000201ff', 'hex')),
      'cut',
    ],
    ['garbage', (_, reply) => void reply.socket.write('SSH-2.0-OpenSSH_9.2\r\n'), 'bad-magic'],
    ['a length beyond the limit', (_, reply) => void reply.socket.write('HLNK\x08\x00\x00\x01'), 'oversized'],
    ['an empty frame', (_, reply) => void reply.socket.write('HLNK\x00\x00\x00\x00'), 'empty'],
  ])('%s', async (_, script, reason) => {
    const failure = await liar(script)
    expect(failure).toMatchObject({ kind: 'protocol', reason: expect.stringContaining(reason) })
  })
  test('a second answer to one request', async () => {
    const { link } = await scripted((request, reply) => {
      if (request['command'] === 'second') return
      reply.answer({ exit_code: 0 })
      reply.answer({ exit_code: 1 })
    })
    const both = await Promise.all([link.exec({ command: 'first' }), link.exec({ command: 'second' })])
    expect(good(both[0]).exit_code).toBe(0)
    expect(bad(both[1])).toMatchObject({ kind: 'protocol' })
  })
  test('a status of the future is a refusal, never success', async () => {
    expect(await liar((_, reply) => reply.answer({ status: 'splendid', exit_code: 0 }))).toMatchObject({
      kind: 'refused',
      status: 'splendid',
    })
  })
  test('a tail that goes backwards', async () => {
    const { link } = await scripted((_, reply) => reply.answer({ data: 'x', offset: 9, next_offset: 1 }))
    expect(bad(await link.jobTail('0123456789ab'))).toMatchObject({ kind: 'protocol' })
  })
})

describe('ends that are not answers', () => {
  test('nobody there', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'hostlink-none-'))
    cleanups.push(() => rm(dir, { recursive: true }))
    const at = { kind: 'unix' as const, path: join(dir, 'none') }
    expect(bad(await connect({ at, token: 't', tokenFrom: '' }))).toEqual({
      kind: 'connect',
      at,
      code: 'ENOENT',
      reason: 'No such file or directory',
    })
  })
  test('wrong token', async () => {
    const daemon = await startOldDaemon()
    cleanups.push(daemon.stop)
    const at = { kind: 'unix' as const, path: daemon.socket }
    expect(bad(await connect({ at, token: 'no', tokenFrom: '' }))).toEqual({ kind: 'auth' })
  })
  test('a peer that accepts and says nothing', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'hostlink-silent-'))
    const server = createServer(() => {})
    const path = join(dir, 's')
    await new Promise<void>(resolve => server.listen(path, resolve))
    cleanups.push(async () => {
      server.close()
      await rm(dir, { recursive: true })
    })
    const endpoint = { at: { kind: 'unix' as const, path }, token: 't', tokenFrom: '' }
    expect(bad(await connect(endpoint, { answerTimeoutMs: 50 }))).toEqual({
      kind: 'timeout',
      afterMs: 50,
    })
  })
  test('a late answer to a request that was given up disturbs nobody', async () => {
    const late: (() => void)[] = []
    const { daemon, link } = await scripted((request, reply) => {
      if (request['command'] === 'late') late.push(() => reply.answer({ exit_code: 9 }))
      else reply.answer({ exit_code: 0 })
    })
    expect(bad(await link.exec({ command: 'late', answerTimeoutMs: 30 }))).toMatchObject({
      kind: 'timeout',
    })
    for (const answer of late) answer()
    expect(good(await link.exec({ command: 'x' })).exit_code).toBe(0)
    expect(daemon.connections()).toBe(1)
  })
  test('a link lost under way: sent, and not repeated', async () => {
    const { daemon, link } = await scripted((_, reply) => reply.close())
    expect(bad(await link.exec({ command: 'x' }))).toMatchObject({ kind: 'lost', sent: true })
    expect(daemon.requests.filter(request => request['type'] === 'exec')).toHaveLength(1)
  })
  test('an answer that is cut short is a lost link too', async () => {
    const { link } = await scripted((_, reply) => void reply.socket.end('HLNK\x00\x00\x00\x09{"'))
    expect(bad(await link.exec({ command: 'x' }))).toMatchObject({ kind: 'lost', sent: true })
  })
  test('a closed link sends nothing', async () => {
    const { daemon, link } = await scripted((_, reply) => reply.answer({ exit_code: 0 }))
    link.close()
    expect(bad(await link.exec({ command: 'x' }))).toMatchObject({ kind: 'lost', sent: false })
    expect(daemon.requests).toHaveLength(1)
  })
  test('close ends what is in flight', async () => {
    const { link } = await scripted(() => {})
    const ends = [link.exec({ command: 'x' }), link.exec({ command: 'y', onOutput: () => {} })]
    await new Promise(resolve => setTimeout(resolve, 50))
    link.close()
    for (const end of await Promise.all(ends)) expect(bad(end)).toMatchObject({ kind: 'lost', sent: true })
  })
})

describe('keys', () => {
  test('with a key a lost command is attached to again, and the consumer is told', async () => {
    let times = 0
    const { daemon, link } = await scripted((_, reply) => {
      times += 1
      reply.output('stdout', 'ab')
      if (times === 1) reply.close()
      else reply.answer({ exit_code: 0, attached: true })
    })
    let text = ''
    const result = await link.exec({
      command: 'x',
      key: 'k1',
      reattach: 2,
      onOutput: (_, data) => {
        text += data
      },
      onReattach: () => {
        text = ''
      },
    })
    expect(good(result).attached).toBe(true)
    expect(text).toBe('ab')
    expect(daemon.requests.filter(request => request['key'] === 'k1')).toHaveLength(2)
  })
  test('not at a daemon that is younger than the link: it would start the command anew', async () => {
    let uptime = 100
    const daemon = await startScripted(
      (_, reply) => {
        uptime = 0
        reply.close()
      },
      undefined,
      () => uptime,
    )
    cleanups.push(daemon.stop)
    const link = await linked(daemon.endpoint)
    expect(bad(await link.exec({ command: 'x', key: 'k', reattach: 1 }))).toMatchObject({ kind: 'lost' })
    expect(daemon.requests.filter(request => request['type'] === 'exec')).toHaveLength(1)
  })
})

describe('cancel', () => {
  test('asks the daemon to end it, and waits until it has', async () => {
    let running: (() => void) | undefined
    const { daemon, link } = await scripted((request, reply) => {
      if (request['type'] === 'exec')
        running = () =>
          reply.answer({ status: 'error', error_msg: 'cancelled', exit_code: -1, cancelled: true })
      else {
        reply.answer({ cancelled: true })
        setTimeout(() => running?.(), 50)
      }
    })
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 50)
    const failure = bad(await link.exec({ command: 'sleep', signal: stop.signal }))
    expect(failure).toMatchObject({ kind: 'cancelled', confirmed: true, answer: { exit_code: -1 } })
    const exec = daemon.requests.find(request => request['type'] === 'exec')
    expect(daemon.requests.at(-1)).toMatchObject({ type: 'cancel', target_id: exec?.['id'] })
  })
  test('a command that ended well at the same moment has ended well', async () => {
    let done: (() => void) | undefined
    const { link } = await scripted((request, reply) => {
      if (request['type'] === 'exec') done = () => reply.answer({ exit_code: 0 })
      else {
        done?.()
        reply.answer({ cancelled: false })
      }
    })
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 50)
    expect(good(await link.exec({ command: 'x', signal: stop.signal })).exit_code).toBe(0)
  })
  test('before anything was sent', async () => {
    const { daemon, link } = await scripted(() => {})
    const failure = bad(await link.exec({ command: 'x', signal: AbortSignal.abort() }))
    expect(failure).toEqual({ kind: 'cancelled', confirmed: true })
    expect(daemon.requests).toHaveLength(1)
  })
})
