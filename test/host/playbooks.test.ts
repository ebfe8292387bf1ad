/** What a token is told that it may start: real files, and a program that tells what it is told to tell. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { offeredPlaybooks } from '../../src/host/playbooks.ts'
import type { Config } from '../../src/hostlink/daemon/config/config.ts'
import type { Policy } from '../../src/hostlink/daemon/policy/policy.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-offered-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const input = (name: string, more: object = {}) => ({
  ...{ name, type: 'string', description: null, from: 'caller', value: null },
  ...more,
})
const installed = (name: string) => {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, name)
  return { name, file, valid: true, description: `does ${name}`, inputs: [input('x'), input('y')] }
}
const digestOf = (name: string) => createHash('sha256').update(name).digest('hex')

let asked: readonly string[]
async function offered(policy: Policy, listed: unknown) {
  const answer = await offeredPlaybooks(
    { name: 't', policy },
    { playbooksDir: folder } as Config,
    async args => {
      asked = args
      return {
        exit_code: 0,
        stdout: typeof listed === 'string' ? listed : JSON.stringify(listed),
        stderr: '',
      }
    },
  )
  return answer as {
    status: string
    playbooks?: { name: string; problem: string | null; inputs: object[] }[]
  }
}

test('a token that may do everything is told everything that would run under its name', async () => {
  const elsewhere = { ...installed('b'), file: '/root/.config/hostops/playbooks/b.yaml' }
  const { playbooks } = await offered({ kind: 'full' }, [installed('a'), elsewhere])
  expect(playbooks).toMatchObject([
    { name: 'a', description: 'does a', digest: digestOf('a'), problem: null },
  ])
  expect(asked).toEqual(['list', '--json', '--playbooks', folder])
})

test('one with a list is told of these alone, and of what is pinned that it is not to be given', async () => {
  const secret = { ...installed('a'), inputs: [input('x'), input('key', { type: 'secret' }), input('z')] }
  const grant = { name: 'a', digest: `sha256:${digestOf('a')}`, pinned: { x: '/srv', key: 'very-secret' } }
  const { playbooks } = await offered({ kind: 'playbooks', playbooks: [grant] }, [secret, installed('b')])
  expect(playbooks).toMatchObject([
    {
      name: 'a',
      inputs: [
        { name: 'x', from: 'pinned', value: '/srv' },
        { name: 'key', from: 'pinned', value: '***' },
        { name: 'z', from: 'caller', value: null },
      ],
    },
  ])
  expect(playbooks).toHaveLength(1)
})

test('what could not be started is told with the reason, and without a word of what is in it', async () => {
  mkdirSync(join(folder, 'folder.yaml'))
  const names = ['changed', 'gone', 'folder', 'broken']
  const playbooks = names.map(name => ({ name, digest: digestOf(name === 'changed' ? 'before' : name) }))
  const broken = { ...installed('broken'), valid: false, description: null, inputs: [] }
  const answer = await offered({ kind: 'playbooks', playbooks }, [installed('changed'), broken])
  expect(answer.playbooks).toMatchObject([
    { name: 'changed', problem: expect.stringContaining('digest'), description: null, inputs: [] },
    { name: 'gone', problem: 'it is not installed on this host' },
    { name: 'folder', problem: expect.stringMatching(/^it cannot be read/) },
    { name: 'broken', problem: expect.stringContaining('mistakes') },
  ])
})

test.each(['', '[{"name":1}]', '{'])('a program that tells %j is no list', async said => {
  expect(await offered({ kind: 'full' }, said)).toMatchObject({ status: 'error' })
})
