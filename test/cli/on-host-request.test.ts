/** What a client makes of its arguments before it asks the host. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { requestFor } from '../../src/app/at-host/request.ts'
import { type Scratch, scratch } from '../rig/git.ts'

let s: Scratch
beforeEach(() => {
  s = scratch()
})
afterEach(() => s.remove())

test('the target is that of the command line over the playbook over the settings over this machine', async () => {
  const asked = async (playbook: string | null, settings: string | undefined, option: string | undefined) => {
    const file = join(s.root, 'p.yaml')
    const target = playbook === null ? '' : `target: ${playbook}\n`
    writeFileSync(file, `hostops: 1\nname: p\n${target}steps: [{ run: ['true'] }]\n`)
    const io = { cwd: s.root, env: {} } as never
    const options = { input: [], rollback: true, output: 'auto' as const }
    const wanted = await requestFor(
      file,
      option === undefined ? options : { ...options, target: option },
      { file: null, target: settings, inputs: {}, pinned: {} } as never,
      io,
      () => {},
    )
    return wanted.target
  }
  expect(await asked('hostlink:p', 'hostlink:s', 'hostlink:o')).toBe('hostlink:o')
  expect(await asked('hostlink:p', 'hostlink:s', undefined)).toBe('hostlink:p')
  expect(await asked(null, 'hostlink:s', undefined)).toBe('hostlink:s')
  expect(await asked(null, undefined, undefined)).toBe('local')
})
