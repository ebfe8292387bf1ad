/** Wrong tokens: refused, logged, slowed down, and felt by nobody else. */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { undisturbed } from '../../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { rssKib, until } from '../../rig/observe.ts'
import { connectPeer } from '../../rig/peer.ts'

let daemon: DaemonRig
beforeEach(async () => {
  daemon = await startDaemonRig()
})
afterEach(() => daemon.stop())

async function tryToken(token: unknown, type = 'ping') {
  const peer = await connectPeer(daemon.socket)
  const started = Date.now()
  peer.ask({ version: 1, type, id: 'a', token, command: 'true' })
  const answer = await peer.answer()
  await peer.closed
  return { answer, ms: Date.now() - started }
}

test('a wrong token is refused, logged and does not appear in the log', async () => {
  const { answer } = await tryToken('open-sesame-4711')
  expect(answer).toMatchObject({ id: '', status: 'auth_failed', error_msg: 'authentication failed' })
  await until('the failure is logged', () => /\[WARN\].*authentication/i.test(daemon.log()))
  expect(daemon.log()).not.toContain('open-sesame')
  expect(daemon.log()).not.toContain(daemon.token)
})

test('one wrong token after another takes longer and longer', async () => {
  const times: number[] = []
  for (let i = 0; i < 8; i++) times.push((await tryToken(`wrong-${i}`)).ms)
  expect(times.at(-1)).toBeGreaterThan(100)
  expect(times.at(-1)!).toBeGreaterThan(2 * times[0]!)
})

test('hundreds of wrong tokens at once cost no memory and delay nobody who has the right one', async () => {
  const before = rssKib(daemon.pid)
  await undisturbed(daemon, async () => {
    const attempts = await Promise.all(Array.from({ length: 200 }, (_, i) => tryToken(`wrong-${i}`)))
    for (const { answer } of attempts) expect(answer.status).toBe('auth_failed')
  })
  expect(rssKib(daemon.pid) - before).toBeLessThan(32 * 1024)
})

test('a token with something behind it, before it, or without its end is wrong', async () => {
  const { token } = daemon
  const wrong = [
    `${token}\0`,
    `${token}\0x`,
    `${token} `,
    ` ${token}`,
    token.slice(1),
    token.slice(0, -1),
    '',
    null,
    [token],
  ]
  for (const one of wrong) expect((await tryToken(one)).answer.status).toBe('auth_failed')
})

test('a wrong token runs nothing', async () => {
  const mark = `${daemon.folder}/ran`
  const peer = await connectPeer(daemon.socket)
  peer.ask({ version: 1, type: 'exec', id: 'a', token: 'wrong', command: `touch ${mark}` })
  expect((await peer.answer()).status).toBe('auth_failed')
  expect(() => readFileSync(mark)).toThrow('ENOENT')
})
