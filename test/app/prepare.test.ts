/** What a run makes of its options before it contacts anything. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { prepare } from '../../src/app/prepare.ts'
import type { RunOptions } from '../../src/cli/open/run-options.ts'
import type { Settings } from '../../src/playbook/settings.ts'
import { type Scratch, scratch } from '../rig/git.ts'

let s: Scratch
beforeEach(() => {
  s = scratch()
})
afterEach(() => s.remove())

async function planOf(name: string, options: Partial<RunOptions>, settings: Partial<Settings> = {}) {
  const io = { cwd: s.root, env: { HOME: s.root } } as never
  const given: RunOptions = { input: [], rollback: true, output: 'auto', ...options }
  const prepared = await prepare(name, given, { inputs: {}, pinned: {}, ...settings } as Settings, io)
  if (!prepared.ok) throw new Error(JSON.stringify(prepared.failure))
  return prepared.plan
}

const book = (more = '') => `hostops: 1\nname: p\n${more}steps: [{ run: ['true'] }]\n`

test('the target is that of the command line over the playbook over the settings over this machine', async () => {
  s.write('without.yaml', book())
  s.write('with.yaml', book('target: ssh:playbook\n'))
  const settings = { target: 'ssh:settings' }
  expect((await planOf('./with.yaml', { target: 'ssh:option' }, settings)).target).toBe('ssh:option')
  expect((await planOf('./with.yaml', {}, settings)).target).toBe('ssh:playbook')
  expect((await planOf('./without.yaml', {}, settings)).target).toBe('ssh:settings')
  expect((await planOf('./without.yaml', {})).target).toBe('local')
})

test('a name is looked for where the caller says first; limits and rollback are those of the command line', async () => {
  s.write('playbooks/p.yaml', book('timeout: 1m\n'))
  s.write('mine/p.yaml', book('timeout: 2m\nonFailure: rollback\n'))
  expect(await planOf('p', {})).toMatchObject({ timeoutMs: 60_000, onFailure: 'rollback' })
  expect(await planOf('p', { playbooks: 'mine' })).toMatchObject({ timeoutMs: 120_000 })
  expect(await planOf('p', { playbooks: 'mine', timeout: '3m', rollback: false })).toMatchObject({
    timeoutMs: 180_000,
    onFailure: 'stop',
  })
})
