/** What a token is told that it may start: real files, read as a run would read them. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { offeredPlaybooks } from '../../src/host/playbooks.ts'
import type { Policy } from '../../src/hostlink/daemon/policy/policy.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-offered-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const textOf = (name: string) => `hostops: 1
name: ${name}
description: does ${name}
inputs:
  x: { type: string }
  key: { type: secret }
  z: { type: string, optional: true }
steps: [{ run: ['true'] }]
`
function install(name: string, text = textOf(name)): { name: string; digest: string } {
  writeFileSync(join(folder, `${name}.yaml`), text)
  return { name, digest: digestOf(text) }
}
const digestOf = (text: string) => createHash('sha256').update(text).digest('hex')

async function offered(policy: Policy, env: NodeJS.ProcessEnv = { HOME: folder }) {
  const settings = { playbooksDir: folder, runsStateDir: folder, shell: '/bin/sh', envAllow: [] }
  const answer = await offeredPlaybooks({ name: 't', policy }, settings, env)
  return answer as {
    status: string
    error_msg?: string
    playbooks?: { name: string; problem: string | null; inputs: { name: string }[] }[]
  }
}

test('a token that may do everything gets everything that would run under its name', async () => {
  const { digest } = install('a')
  // Listed for somebody who logs in here, and not for a run of the daemon.
  mkdirSync(join(folder, '.config/hostops/playbooks'), { recursive: true })
  writeFileSync(join(folder, '.config/hostops/playbooks/b.yaml'), textOf('b'))
  const { playbooks = [] } = await offered({ kind: 'full' })
  const names = playbooks.map(({ name }) => name)
  expect(names).toContain('upgrade-openclaw')
  expect(names).not.toContain('b')
  expect(playbooks.find(({ name }) => name === 'a')).toMatchObject({
    ...{ name: 'a', description: 'does a', digest, problem: null },
    inputs: [
      { name: 'x', type: 'string', from: 'caller' },
      { name: 'key', type: 'secret', from: 'caller' },
      { name: 'z', type: 'string', from: 'none' },
    ],
  })
})

test('a token with grants gets these alone, with what is pinned and must not be given', async () => {
  const grant = { ...install('a'), pinned: { x: '/srv', key: 'very-secret' } }
  install('b')
  const { playbooks } = await offered({
    kind: 'playbooks',
    playbooks: [{ ...grant, digest: `sha256:${grant.digest}` }],
  })
  expect(playbooks).toMatchObject([
    {
      name: 'a',
      inputs: [
        { name: 'x', from: 'pinned', value: '/srv' },
        { name: 'key', from: 'pinned', value: '***' },
        { name: 'z', from: 'none', value: null },
      ],
    },
  ])
})

test('a playbook that cannot be started comes with the reason, and without a word of what is in it', async () => {
  mkdirSync(join(folder, 'folder.yaml'))
  install('changed')
  const broken = install('broken', 'hostops: 1\nname: broken\nsteps: [{ uses: no-such-kind }]\n')
  const playbooks = [
    ...['changed', 'gone', 'folder'].map(name => ({ name, digest: digestOf('before') })),
    broken,
  ]
  const answer = await offered({ kind: 'playbooks', playbooks })
  expect(answer.playbooks).toMatchObject([
    { name: 'changed', problem: expect.stringContaining('digest'), description: null, inputs: [] },
    { name: 'gone', problem: 'it is not installed on this host' },
    { name: 'folder', problem: expect.stringMatching(/^it cannot be read/) },
    { name: 'broken', problem: expect.stringContaining('mistakes'), description: null, inputs: [] },
  ])
})

test('settings with mistakes are the reason why there is no list', async () => {
  mkdirSync(join(folder, '.config/hostops'), { recursive: true })
  writeFileSync(join(folder, '.config/hostops/hostops.config.yaml'), 'nonsense: [')
  expect(await offered({ kind: 'full' })).toMatchObject({
    status: 'error',
    error_msg: expect.stringContaining('hostops.config.yaml has mistakes'),
  })
})
