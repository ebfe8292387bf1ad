/** No false word: what a report calls verified, unchanged or good was looked at, and the last words name it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

let rig: HostopsRig
let server: Server
let url: string
let status = 200
beforeAll(async () => {
  rig = hostopsRig()
  server = createServer((_, response) => response.writeHead(status).end('x'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/readyz`
})
afterAll(async () => {
  await new Promise(resolve => server.close(resolve))
  await rig.remove()
})
beforeEach(() => {
  status = 200
  writeFileSync(rig.path('setting'), 'before\n')
})

const FAIL = { id: 'fail', run: ['false'], effect: 'read' }
const write = (more: object) => ({ id: 'write', script: 'echo after > setting', cwd: rig.folder, ...more })
const verify = () => ['grep', '-q', 'before', rig.path('setting')]
const restore = { script: 'echo before > setting' }
const play = (steps: object[], ...args: string[]) => rig.run(['run', rig.playbook('p', steps), ...args])
const poll = () => ({ uses: 'health.poll', with: { urls: [url], timeout: '2s', interval: '20ms' } })

describe('a rollback', () => {
  test('whose undo exits 0 and is not looked at is not verified, and nothing is said to be unchanged', async () => {
    const { code, report, stderr } = await play([write({ undo: ['true'] }), FAIL])
    expect(report).toMatchObject({
      ...{ outcome: 'rolled-back', changed: null, rollbackVerified: null, notVerified: ['write'] },
      ...{ rollbackPerformed: true, rollbackObservations: [], rollbackError: null },
    })
    expect(code).toBe(1)
    expect(stderr).toContain('\nRolled back, not verified: write has no check (')
  })

  test('whose verify finds the host different has failed', async () => {
    const { code, report, stderr } = await play([write({ undo: ['true'], verify: verify() }), FAIL])
    expect(report).toMatchObject({ outcome: 'rollback-failed', changed: true, rollbackVerified: false })
    expect(report.rollbackObservations).toEqual([
      { what: 'command', target: verify().join(' '), saw: 'exit code 1', ok: false },
    ])
    expect(code).toBe(5)
    expect(stderr).toContain('\nRollback failed: verify write, host differs: grep -q before')
  })

  test('whose verify finds the host as before is verified', async () => {
    const { code, report, stderr } = await play([write({ undo: restore, verify: verify() }), FAIL])
    expect(report).toMatchObject({ outcome: 'rolled-back', changed: false, rollbackVerified: true })
    expect(report).toMatchObject({
      notVerified: [],
      rollbackObservations: [{ saw: 'exit code 0', ok: true }],
    })
    expect(code).toBe(1)
    expect(stderr).toContain('\nRolled back, verified: check command (')
  })

  test('past a restart needs no undo: what answers afterwards is what it is seen by', async () => {
    const restart = { id: 'restart', run: ['true'], effect: 'disrupt', reactivate: true }
    const seen = await play([restart, poll(), FAIL])
    expect(seen.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true, changed: false })
    expect(seen.stderr).toContain('\nRolled back, verified: health check (')
    const unseen = await play([restart, FAIL])
    expect(unseen.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: null, changed: null })
    expect(unseen.report.notVerified).toEqual(['restart'])
    // An answer of a step with an undo of its own proves nothing of that undo.
    const both = await play([{ ...restart, undo: ['true'] }, poll(), FAIL])
    expect(both.report).toMatchObject({ rollbackVerified: null, notVerified: ['restart'] })
  })

  test('that differs anywhere has failed, whatever else has no check', async () => {
    const blind = { id: 'blind', run: ['true'], undo: ['true'] }
    const { report } = await play([blind, write({ undo: ['true'], verify: verify() }), FAIL])
    expect(report).toMatchObject({ rollbackVerified: false, notVerified: ['blind', 'write'] })
  })
})

describe('a step without a way back', () => {
  test('of which nothing is known: exit code 1, and no word that the host differs or is as before', async () => {
    const { code, report, stderr } = await play([{ run: ['ls'] }, { run: ['false'] }])
    expect(report).toMatchObject({
      ...{ outcome: 'rolled-back', changed: null, rollbackVerified: null, rollbackPerformed: false },
      ...{ notVerified: ['run', 'run-2'], rollbackError: null },
    })
    expect(code).toBe(1)
    expect(stderr).not.toContain('a person is needed')
    expect(stderr).toContain('nothing to roll back with, not verified: run, run-2 have no undo')
    const again = await rig.run(['rollback', 'last', '--check'])
    expect(again.stderr).toContain('run: has no undo: nothing of it would be taken back')
  })

  test('that is said to change the host: a person is needed', async () => {
    const { code, report, stderr } = await play([write({ changed: true }), FAIL])
    expect(report).toMatchObject({ outcome: 'rollback-failed', changed: true, rollbackVerified: false })
    expect(report.rollbackError).toContain('write changed the host and has no way back')
    expect(stderr).toContain('\nRollback failed: write has no undo, a person is needed (')
    // A second rollback could do no more.
    expect(stderr).not.toContain('hint')
    expect(code).toBe(5)
  })

  test('is warned of by validate, a dry run and a check, with its line', async () => {
    const file = rig.write(
      'stuck.yaml',
      'hostops: 1\nname: stuck\nsteps:\n  - run: [ls]\n  - { run: [ls], effect: read }\n  - { run: [ls], reactivate: true }\n  - { run: [ls], effect: irreversible }\n',
    )
    const validated = await rig.run(['validate', file])
    expect(validated).toMatchObject({ code: 0, stderr: '1 playbook: 1 warning\n' })
    expect(validated.stdout).toContain(`${file}:4:10: warning: \`run\` has no way back`)
    for (const mode of ['--dry-run', '--check']) {
      const { stderr } = await rig.run(['run', file, mode])
      expect(stderr.match(/has no way back/g), mode).toHaveLength(1)
      expect(stderr).toContain('line 4: run has no way back: a rollback past it cannot tell')
    }
    const ran = await rig.run(['run', file])
    expect(ran.stderr).not.toContain('has no way back')
  })
})

describe('what was never looked at', () => {
  test('is null: a step that failed half-way, with nothing taken back', async () => {
    const half = { id: 'half', script: 'echo after > setting; exit 1', cwd: rig.folder }
    const { report, stderr } = await play([half], '--no-rollback')
    expect(report).toMatchObject({ outcome: 'failed-changed', changed: null, steps: [{ changed: null }] })
    expect(stderr).toContain('\nFailed, not rolled back: what it changed was not looked at')
  })

  test('a playbook that looks at nothing says so', async () => {
    const { report, stderr } = await play([write({})])
    expect(report).toMatchObject({ outcome: 'succeeded', success: true, observations: [] })
    expect(stderr).toContain('\nSucceeded: finished; nothing was checked (')
  })
})

describe('a step that may fail', () => {
  const tolerated = (step: object) => ({ ...step, continueOnError: true })
  const bad = () => tolerated({ uses: 'http.get', with: { url } })

  test('is no success where what it saw was bad: the report and the last words name it', async () => {
    status = 503
    const { code, report, stderr } = await play([bad(), write({ undo: restore })])
    expect(report).toMatchObject({
      ...{ success: false, outcome: 'failed-changed', failedStep: 'http.get', errorCode: 'unhealthy' },
      ...{ rollbackPerformed: false, changed: null, steps: [{ tolerated: true }, { status: 'succeeded' }] },
    })
    expect(report.observations).toMatchObject([{ target: url, ok: false }])
    expect(code).toBe(5)
    expect(stderr).not.toContain('Succeeded')
    expect(stderr).toMatch(/\n {2}error {4}http\.get: .*503/)
    // It can still be taken back.
    const back = await rig.run(['rollback', report.runId])
    expect(back.report).toMatchObject({ outcome: 'rolled-back', rollbackPerformed: true })
  })

  test('and nothing has changed: that is said, and ends with 1', async () => {
    status = 503
    const { code, report, stderr } = await play([bad()])
    expect(report).toMatchObject({ success: false, outcome: 'failed-unchanged', changed: false })
    expect(code).toBe(1)
    expect(stderr).toContain('\nFailed: nothing was changed (')
  })

  test('is no success where it failed half-way: what it did was not looked at', async () => {
    const half = { id: 'half', script: 'echo after > setting; exit 1', cwd: rig.folder }
    const { report } = await play([tolerated(half)])
    expect(report).toMatchObject({ success: false, outcome: 'failed-changed', changed: null })
  })

  test('of one thing the last look counts: bad at first and good at its end is good', async () => {
    status = 503
    const patient = { urls: [url], timeout: '60s', for: '100ms', interval: '20ms' }
    const step = tolerated({ uses: 'health.poll', with: patient })
    const run = rig.start(['run', rig.playbook('p', [step])])
    await run.until(/503/)
    status = 200
    const { report, stderr } = await run.ended
    expect(report).toMatchObject({ success: true, outcome: 'succeeded', observations: [{ ok: true }] })
    expect(stderr).toContain('\nSucceeded: 1 of 1 health check passed (')
  })
})

describe('observations', () => {
  test('of a poll that failed are there too, and its time', async () => {
    status = 503
    const { report } = await play([{ ...poll(), with: { ...poll().with, timeout: '300ms' } }])
    expect(report.observations).toEqual([{ what: 'http', target: url, saw: 'HTTP 503: x', ok: false }])
    expect(report).toMatchObject({ readyz: false, healthz: null, healthAfterRollback: null })
    expect(report.watchedSeconds).toBeGreaterThan(0.2)
  })

  test('of each thing the last look counts, and the times of all looks are added up', async () => {
    const { report, stderr } = await play([poll(), poll(), { uses: 'http.get', with: { url } }])
    const good = { what: 'http', target: url, saw: '200', ok: true }
    expect(report.observations).toEqual([good, good, good])
    const [first, second] = report.steps.map(({ durationMs }) => durationMs / 1000)
    expect(report.watchedSeconds).toBeGreaterThan(0)
    expect(report.watchedSeconds).toBeLessThanOrEqual(first! + second! + 0.01)
    expect(report.watchedSeconds).toBeGreaterThan(Math.max(first!, second!) - 0.1)
    expect(stderr).toContain('\nSucceeded: 3 of 3 health checks passed (')
  })
})

test('a run of the release before, whose journal says nothing of looks, is rolled back and reported', async () => {
  const ended = await play([write({ undo: restore, verify: verify() }), FAIL], '--no-rollback')
  const folder = join(rig.state, 'runs', ended.report.runId)
  const file = join(folder, 'journal.ndjson')
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.includes('"type":"saw"'))
  writeFileSync(file, lines.map((line, at) => `${line.replace(/"seq":\d+/, `"seq":${at + 1}`)}\n`).join(''))
  const back = await rig.run(['rollback', ended.report.runId])
  expect(back.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true, changed: false })
  // And one that was rolled back by it.
  const text = readFileSync(file, 'utf8').replace(',"notVerified":[]', '').replaceAll('{"v":2,', '{"v":1,')
  writeFileSync(file, text)
  writeFileSync(join(folder, 'report.json'), '')
  const { stdout } = await rig.run(['report', ended.report.runId])
  expect(stdout).toContain('"rollbackVerified":true,"notVerified":[]')
})
