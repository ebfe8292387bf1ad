/** A token with a policy takes all the places that it can get: the owner's commands, jobs, questions and connections go on. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { placesFor } from '../../../src/hostlink/daemon/policy/places.ts'
import { type Asking, asking, askOnce } from '../../rig/ask.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'

const NARROW = 'narrow-token-0123456789'
const RUNNER = 'runner-token-0123456789'

let folder: string
let daemon: DaemonRig | null = null
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostlink-places-'))
})
afterEach(async () => {
  await daemon?.stop()
  daemon = null
  rmSync(folder, { recursive: true, force: true })
})

const at = (name: string) => join(folder, name)
async function start(config: Record<string, string | number> = {}) {
  for (const [name, text] of Object.entries({ narrow: NARROW, runner: RUNNER }))
    writeFileSync(at(name), text, { mode: 0o600 })
  const tokens = {
    narrow: { token_file: at('narrow'), policy: 'allowlist', allow: [{ argv: ['sleep', '{int}'] }] },
    runner: { token_file: at('runner'), policy: 'playbooks', playbooks: [] },
  }
  writeFileSync(at('policy.yaml'), JSON.stringify({ tokens }))
  const rig = await startDaemonRig({ config: { policy_file: at('policy.yaml'), ...config } })
  daemon = rig
  return rig
}
const sleep = { type: 'exec', argv: ['sleep', '30'] }

test('the last quarter of them, and one of two, is the owner’s; one is everybody’s', () => {
  const narrow = { policy: { kind: 'deny' } } as const
  const owner = { policy: { kind: 'full' } } as const
  expect([1, 2, 4, 8, 64].map(all => placesFor(narrow, all))).toEqual([1, 1, 3, 6, 48])
  expect([1, 8].map(all => placesFor(owner, all))).toEqual([1, 8])
})

test('commands and jobs', async () => {
  const { socket, token } = await start({ max_concurrent: 2, max_jobs: 2 })
  const narrow = await asking({ socket, token: NARROW })
  narrow.send(sleep)
  const { max_concurrent } = await askOnce({ socket, token: NARROW }, { type: 'ping' })
  expect(max_concurrent).toBe(1)
  for (const detach of [false, true]) {
    const wanted = { ...sleep, detach }
    if (detach) expect(await askOnce({ socket, token: NARROW }, wanted)).toMatchObject({ status: 'ok' })
    expect(await askOnce({ socket, token: NARROW }, wanted)).toMatchObject({
      status: 'error',
      error_msg: detach ? 'too many jobs running (max 1)' : 'server busy, max concurrent commands reached',
    })
    const own = { type: 'exec', command: 'true', detach }
    expect(await askOnce({ socket, token }, own)).toMatchObject({ status: 'ok' })
  }
  narrow.peer.destroy()
})

test('the time to read playbooks and records', async () => {
  const { socket, token } = await start()
  const order: string[] = []
  const ask = async (by: string, action: string) => {
    const answer = await askOnce({ socket, token: by }, { type: 'run', action })
    order.push(by === token ? 'owner' : 'narrow')
    return answer
  }
  await ask(RUNNER, 'playbooks')
  const narrow = Array.from({ length: 30 }, () => ask(RUNNER, 'playbooks'))
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(await ask(token, 'list')).toMatchObject({ status: 'ok' })
  expect(order.indexOf('owner')).toBeLessThan(20)
  for (const answer of await Promise.all(narrow)) expect(answer).toMatchObject({ status: 'ok' })
})

test('connections', async () => {
  const { socket, token } = await start()
  const open: Asking[] = []
  const said: object[] = []
  try {
    for (let count = 0; count < 800; count += 1) {
      open.push(await asking({ socket, token: NARROW }))
      said.push(await open[count]!.ask({ type: 'ping' }))
    }
    const isIn = (answer: object) => 'uptime_s' in answer
    expect(said.filter(isIn).length).toBeLessThanOrEqual(768)
    expect(said.find(answer => !isIn(answer))).toMatchObject({
      status: 'error',
      error_msg: 'server busy, too many connections',
    })
    expect(await askOnce({ socket, token }, { type: 'ping' })).toMatchObject({ status: 'ok' })
  } finally {
    for (const { peer } of open) peer.destroy()
  }
})
