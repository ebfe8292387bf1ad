/** `hostops events`: what a program gets of a run, while it goes on and afterwards. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'
import { leftBehind, putFiles } from '../rig/left-behind.ts'

const schema = JSON.parse(readFileSync(new URL('../../schemas/journal.schema.json', import.meta.url), 'utf8'))
const isEntry = new Ajv({ strict: false, formats: { 'date-time': true } }).compile(schema)

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(() => rig.remove())

const parsed = (stdout: string) =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))

test('follows a run to its end, each event once, and prints the same ones again from behind any of them', async () => {
  const script = `echo one; while ! test -e ${rig.path('go')}; do sleep 0.05; done; echo two`
  const run = rig.start(['run', rig.playbook('waits', [{ id: 'w', script }]), '--run-id', 'r'])
  await run.until(/w \| one/)
  const following = rig.start(['events', 'last', '-f'])
  await poll(() => following.stdout().includes('"step-started"'))
  const soFar = await rig.run(['events', 'r'])
  writeFileSync(rig.path('go'), '')
  expect((await run.ended).report.outcome).toBe('succeeded')
  const { stdout, stderr, code } = await following.ended
  expect([stderr, code]).toEqual(['', 0])
  const entries = parsed(stdout)
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, at) => at + 1))
  expect(entries.at(-1)).toMatchObject({ v: 2, type: 'run-finished', outcome: 'succeeded' })
  for (const entry of entries) expect(isEntry(entry), JSON.stringify(isEntry.errors)).toBe(true)
  expect(soFar.stdout).toBe(stdout.slice(0, soFar.stdout.length))
  expect(soFar.stdout.length).toBeLessThan(stdout.length)

  const journal = rig.read('state/runs/r/journal.ndjson')
  expect(stdout).toBe(journal)
  for (const args of [[], ['-f']]) expect((await rig.run(['events', 'r', ...args])).stdout).toBe(stdout)
  const rest = await rig.run(['events', 'r', '--after', '2'])
  expect(parsed(rest.stdout)).toEqual(entries.slice(2))
  expect((await rig.run(['events', 'r', '-f', '--after', '99'])).stdout).toBe('')
})

test('of a run that began with a journal of version 1 they are what the schema says, too', async () => {
  const files = leftBehind(fileURLToPath(new URL('../runs/version-1.txt', import.meta.url)), {
    RIG: rig.folder,
  })
  putFiles(rig.folder, files)
  for (const run of ['finished', 'half-way', 'going-back']) {
    const entries = parsed((await rig.run(['events', run, '-f'])).stdout)
    expect(entries[0]).toMatchObject({ v: 1, seq: 1, type: 'run-started', caller: null, planHash: null })
    for (const entry of entries) expect(isEntry(entry), JSON.stringify(isEntry.errors)).toBe(true)
    const lines = rig.read(`state/runs/${run}/journal.ndjson`).trim().split('\n')
    expect(entries).toHaveLength(lines.length)
  }
})

test('what is no number, and no run, is refused with a hint', async () => {
  await rig.run(['run', rig.playbook('good', [{ run: ['true'] }]), '--run-id', 'r'])
  for (const after of ['-1', 'x', '1.5', '', '007']) {
    const { code, stdout, stderr } = await rig.run(['events', 'r', `--after=${after}`])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toBe('error: --after takes the "seq" of an event\nhint: hostops events RUN --after 20\n')
  }
  const none = await rig.run(['events', 'none'])
  expect([none.code, none.stdout]).toEqual([2, ''])
  expect(none.stderr).toContain('no run "none"')
})
