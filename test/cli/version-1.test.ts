/** Runs whose journals are of version 1, as the release before wrote them: read, resumed and rolled back. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { leftBehind, putFiles } from '../rig/left-behind.ts'

const FILES = fileURLToPath(new URL('../runs/version-1.txt', import.meta.url))

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(() => rig.remove())

/** `there`: the files that it had made by then. */
function leave(run: 'finished' | 'half-way' | 'going-back', there: readonly string[]): void {
  const files = [...leftBehind(FILES, { RIG: rig.folder })]
  putFiles(rig.folder, new Map(files.filter(([name]) => name.includes(`/${run}/`) || name.endsWith('/dir'))))
  rig.write('app.env', 'OTHER=1\nLABEL=one\n')
  for (const name of ['go', 'undo', ...there]) rig.write(name, '')
}
const made = () => ['made', 'last'].filter(name => rig.exists(name))
const types = (run: string) =>
  readFileSync(rig.path('state/runs', run, 'journal.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line).type)

test('one that has ended is listed, reported and shown with its logs, and can be rolled back', async () => {
  leave('finished', ['made', 'last'])
  const { report, code } = await rig.run(['report', 'finished'])
  expect([report.outcome, code]).toEqual(['succeeded', 0])
  expect((await rig.run(['runs'])).stdout).toMatch(/finished +succeeded/)
  const { stdout } = await rig.run(['logs', 'finished'])
  expect(stdout).toBe('look | looking\nlook | aside\nmake | made\ngate | waiting\n')
  expect((await rig.run(['logs', 'finished', '--step', 'make'])).stdout).toBe('made\n')

  const back = await rig.run(['rollback', 'finished'])
  expect(back.report, back.stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
  expect([made(), rig.read('app.env')]).toEqual([[], 'OTHER=1\n'])
})

test('one that was left half-way is resumed to its end', async () => {
  leave('half-way', ['made'])
  expect((await rig.run(['report', 'half-way'])).report).toMatchObject({
    ...{ outcome: 'unknown', errorCode: 'runner-gone' },
    steps: [{}, {}, { status: 'succeeded' }, { status: 'unknown' }, { status: 'not-run' }],
  })
  const { report, stderr } = await rig.run(['resume', 'half-way'])
  expect(report, stderr).toMatchObject({ outcome: 'succeeded', success: true })
  expect(made()).toEqual(['made', 'last'])
  expect(types('half-way').filter(type => type === 'run-started' || type === 'resumed')).toEqual([
    'run-started',
    'resumed',
  ])
  const logs = await rig.run(['logs', 'half-way'])
  expect(logs.stdout).toBe('look | looking\nlook | aside\nmake | made\ngate | waiting\n')

  const back = await rig.run(['rollback', 'half-way'])
  expect(back.report, back.stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
  expect([made(), rig.read('app.env')]).toEqual([[], 'OTHER=1\n'])
})

test.each(['resume', 'rollback'])('of one that died while it went back, %s finishes the way', async verb => {
  leave('going-back', ['made', 'last'])
  const { report, stderr } = await rig.run([verb, 'going-back'])
  expect(report, stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true, failedStep: 'last' })
  expect([made(), rig.read('app.env')]).toEqual([[], 'OTHER=1\n'])
  const logs = await rig.run(['logs', 'going-back', '--step', 'last'])
  expect(logs.stdout).toBe('broken\nundoing\n')
})
