/** What a run leaves behind, and what is told about it afterwards; where it cannot be left, that is said. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createRun } from '../../src/runs/create-run.ts'
import { HOSTOPS, type HostopsRig, hostopsRig, poll, reportOf } from '../rig/hostops.ts'

let rig: HostopsRig
let good: string
beforeEach(() => {
  rig = hostopsRig()
  good = rig.playbook('good', [{ id: 'say', run: ['echo', 'hello'] }])
})
afterEach(() => rig.remove())

test('a run leaves a private folder with journal, report and logs, and report prints the very same line', async () => {
  const ended = await rig.run(['run', good])
  const folder = join(rig.state, 'runs', ended.report.runId)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  for (const file of ['report.json', 'journal.ndjson', 'run.json'])
    expect(statSync(join(folder, file)).mode & 0o777, file).toBe(0o600)
  expect(JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))).toEqual(ended.report)
  for (const given of [ended.report.runId, ended.report.runId.slice(0, 12), 'last'])
    expect(await rig.run(['report', given])).toMatchObject({ stdout: ended.stdout, code: 0 })
  expect((await rig.run(['wait', 'last'])).stdout).toBe(ended.stdout)
  expect((await rig.run(['logs', 'last'])).stdout).toBe('say | hello\n')
  expect((await rig.run(['logs', 'last', '--step', 'say'])).stdout).toBe('hello\n')
  const [row] = JSON.parse((await rig.run(['runs', '--json'])).stdout)
  expect(row).toMatchObject({
    runId: ended.report.runId,
    outcome: 'succeeded',
    playbook: 'good',
    target: 'local',
  })
})

test('a run id is used once', async () => {
  const first = await rig.run(['run', good, '--run-id', 'mine'])
  expect(first.report).toMatchObject({ runId: 'mine', outcome: 'succeeded' })
  const second = await rig.run(['run', good, '--run-id', 'mine'])
  expect(second.report).toMatchObject({ runId: 'mine', outcome: 'invalid' })
  expect((await rig.run(['report', 'mine'])).stdout).toBe(first.stdout)
})

test('of a call that was wrong it is free again: for the same one mended, and for one of many at once', async () => {
  const takes = { inputs: { folder: { type: 'path' } } }
  const made = rig.playbook('made', [{ run: ['mkdir', '${{ inputs.folder }}'] }], takes)
  const call = (...more: string[]) => rig.run(['run', made, '--run-id', 'mine', ...more])
  expect((await call('-i', 'folder=relative')).report.outcome).toBe('invalid')
  expect((await call('--no-such-option')).report).toMatchObject({ runId: 'mine', outcome: 'invalid' })
  // Whoever read the same mistake a moment earlier has it.
  const head = JSON.parse(rig.read('state/runs/mine/run.json'))
  const taken = rig.write(`state/runs/mine/.after-${head.pid}-${Date.parse(head.startedAt)}`, '')
  expect(createRun(rig.state, head)).toEqual({ ok: false, used: true })
  rmSync(taken)
  const folder = `folder=${rig.path('new')}`
  const calls = await Promise.all([1, 2, 3, 4].map(() => call('-i', folder)))
  expect(calls.map(({ report }) => report.outcome).sort()).toEqual([
    'invalid',
    'invalid',
    'invalid',
    'succeeded',
  ])
  const [done] = calls.filter(({ report }) => report.success)
  expect((await rig.run(['report', 'mine'])).stdout).toBe(done!.stdout)
  expect((await call('-i', folder)).report.error).toBe('the run id mine is used already')
  expect((await rig.run(['report', 'mine'])).stdout).toBe(done!.stdout)
})

test('the newest are kept; mistakes do not push runs out', async () => {
  const config = rig.write('c.yaml', 'keepRuns: 2\n')
  const ids: string[] = []
  for (let n = 0; n < 4; n++) ids.push((await rig.run(['run', good, '--config', config])).report.runId)
  for (let n = 0; n < 4; n++) await rig.run(['run', good, '--config', config, '--dry-run'])
  const kept = rig.runIds()
  expect(kept).toHaveLength(4)
  expect(kept).toEqual(expect.arrayContaining(ids.slice(2)))
})

describe('a run that goes on', () => {
  test('is seen as running; wait and logs -f end with it', async () => {
    const file = rig.path('go')
    const script = `echo one; while ! test -e ${file}; do sleep 0.05; done; echo two`
    const started = rig.start(['run', rig.playbook('waits', [{ id: 'w', script }])])
    await started.until(/w \| one/)
    expect((await rig.run(['runs'])).stdout).toMatch(/running +waits/)
    const soFar = await rig.run(['report', 'last'])
    expect(soFar.report).toMatchObject({ outcome: 'started', success: null, finishedAt: null })
    expect(await rig.run(['wait', 'last', '--timeout', '10ms'])).toMatchObject({
      ...{
        code: 6,
        stderr: expect.stringMatching(/^error: .* still has a runner .*\nhint: hostops wait \S+ /),
      },
      report: {
        outcome: 'unknown',
        success: null,
        errorCode: 'has-a-runner',
        steps: [{ status: 'unknown' }],
      },
    })
    const waiting = rig.start(['wait', 'last'])
    const following = rig.start(['logs', 'last', '-f'])
    // Long before the step has ended.
    await poll(() => following.stdout() === 'w | one\n')
    writeFileSync(file, '')
    const ended = await started.ended
    expect(await waiting.ended).toMatchObject({ code: 0, stdout: ended.stdout })
    expect((await following.ended).stdout).toBe('w | one\nw | two\n')
  })

  test('and is killed: its end is not known, and that is what is told', async () => {
    const started = rig.start(['run', rig.playbook('dies', [{ id: 's', script: 'echo on; sleep 2' }])])
    await started.until(/s \| on/)
    started.child.kill('SIGKILL')
    await started.ended
    const told = await rig.run(['wait', 'last'])
    expect(told.report).toMatchObject({ outcome: 'unknown', success: null, playbook: 'dies' })
    expect(told.code).toBe(6)
  })
})

describe('the line is printed', () => {
  test('when the state folder cannot be made: the run is refused, a dry run is not', async () => {
    const env = { HOSTOPS_STATE_DIR: join(rig.write('file', ''), 'below') }
    const ended = await rig.run(['run', rig.playbook('t', [{ run: ['touch', rig.path('done')] }])], { env })
    expect(ended.report).toMatchObject({ outcome: 'refused', errorCode: 'state-unwritable' })
    expect(ended.stderr).toContain('HOSTOPS_STATE_DIR')
    expect(ended.code).toBe(3)
    expect(rig.exists('done')).toBe(false)
    const dry = await rig.run(['run', good, '--dry-run'], { env })
    expect([dry.report.outcome, dry.code]).toEqual(['planned', 0])
    expect(dry.stderr).toContain('cannot write')
  })

  test.skipIf(!existsSync('/proc/1'))('at once where a folder can never be made, whoever asks', async () => {
    const env = { HOSTOPS_STATE_DIR: '/proc/1/hostops' }
    const began = performance.now()
    const ended = await rig.run(['run', good], { env })
    expect(ended.report).toMatchObject({ outcome: 'refused', errorCode: 'state-unwritable' })
    expect(ended.stderr).toContain('/proc/1/hostops')
    expect((await rig.run(['runs'], { env })).code).toBe(0)
    expect((await rig.run(['resume', 'last'], { env })).code).toBe(2)
    expect((await rig.run(['doctor'], { env })).stdout).toContain('state folder')
    // Before it never came back.
    expect(performance.now() - began).toBeLessThan(30_000)
  })

  test('when the folder goes away while it runs', async () => {
    const script = `rm -rf ${rig.state}`
    const ended = await rig.run(['run', rig.playbook('rm', [{ id: 'rm', script, effect: 'read' }])])
    expect(ended.report).toMatchObject({ success: true, recordIncomplete: true })
    expect(ended.stderr).toContain('only the line on stdout tells how it ended')
    expect(ended.stderr).toContain('cannot write')
  })

  test('after the report file was written; a device is not replaced', async () => {
    const ended = await rig.run(['run', good, '--report-file', 'out.json'])
    expect(JSON.parse(rig.read('out.json'))).toEqual(ended.report)
    await rig.run(['run', good, '--report-file', '/dev/null'])
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
    for (const place of ['gone/out.json', '.', 'out.json/x']) {
      const wrong = await rig.run(['run', good, '--report-file', place])
      expect(wrong.report).toMatchObject({ outcome: 'invalid', errorCode: 'usage', steps: [] })
      expect(wrong.report.error).toContain(`--report-file ${place}`)
    }
    const remove = rig.playbook('remove', [{ id: 'rm', run: ['rm', '-r', rig.path('soon')], effect: 'read' }])
    rig.write('soon/x', '')
    const late = await rig.run(['run', remove, '--report-file', 'soon/out.json'])
    expect(late.report.outcome).toBe('succeeded')
    expect(late.stderr).toContain('cannot write the report')
    const misused = await rig.run(['run', good, '--nonsense', '--report-file', 'usage.json'])
    expect(JSON.parse(rig.read('usage.json'))).toEqual(misused.report)
  })

  test('or not, when nobody reads any more: the run ends all the same', async () => {
    const child = spawn(process.execPath, [HOSTOPS, 'run', good], {
      cwd: rig.folder,
      env: rig.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.destroy()
    child.stderr.destroy()
    const code = await new Promise(resolve => child.once('exit', resolve))
    expect(code).toBe(0)
    const told = await rig.run(['report', 'last'])
    expect(told.report.outcome).toBe('succeeded')
  })
})

test('Ctrl-C twice: the second one stops the rolling back, and what remains is said', async () => {
  const steps = [
    { id: 'made', run: ['touch', rig.path('made')], undo: { script: 'echo undoing; sleep 600' } },
    { id: 'wait', run: ['sleep', '600'], effect: 'read' },
  ]
  const started = rig.start(['run', rig.playbook('twice', steps)])
  await started.until(/wait: started/)
  started.child.kill('SIGINT')
  await started.until(/made \| undoing/)
  started.child.kill('SIGINT')
  const { report, code } = await started.ended
  expect(report).toMatchObject({ success: false, rollbackVerified: false })
  expect(['rollback-failed', 'interrupted']).toContain(report.outcome)
  expect(report.rollbackError).toContain('made')
  expect([5, 130]).toContain(code)
})

test('on a terminal: the tree, Ctrl-C as a key, and a terminal that is left as it was', async () => {
  const steps = [
    {
      id: 'made',
      run: ['touch', rig.path('made')],
      undo: ['rm', '-f', rig.path('made')],
      verify: ['test', '!', '-e', rig.path('made')],
    },
    { id: 'wait', script: 'echo waiting here; sleep 600', effect: 'read' },
  ]
  const playbook = rig.playbook('tty', steps)
  const command = `stty cols 60 rows 20; '${process.execPath}' '${HOSTOPS}' run '${playbook}' > '${rig.path('line')}'`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...rig.env, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let seen = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    seen += text
  })
  await poll(() => seen.includes('waiting here'))
  child.stdin.write('\u0003')
  const code = await new Promise(resolve => child.once('exit', resolve))
  expect(code).toBe(130)
  expect(reportOf(rig.read('line'))).toMatchObject({ outcome: 'interrupted', rollbackVerified: true })
  const text = stripVTControlCharacters(seen)
  expect(text).toContain('✔ made')
  expect(text).toMatch(/restore made/)
  expect(text).toContain('verified, what was rolled back is as before')
  // Nothing is hidden or switched that would have to be switched back.
  expect(seen).not.toContain('\u001b[?')
  rmSync(rig.path('line'))
})

test('on a terminal the verdict is what a person sees last, of a run and of its report', async () => {
  const playbook = rig.playbook('last-screen', [
    { run: ['sh', '-c', 'echo no cards >&2; exit 3'], undo: ['true'] },
  ])
  const shown = async (...args: string[]) => {
    const words = [process.execPath, HOSTOPS, ...args].map(word => `'${word}'`).join(' ')
    const child = spawn('script', ['-qec', `stty cols 80 rows 24; ${words}`, '/dev/null'], {
      env: { ...rig.env, TERM: 'xterm' },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let seen = ''
    child.stdout.setEncoding('utf8').on('data', text => {
      seen += text
    })
    await new Promise(resolve => child.once('close', resolve))
    return stripVTControlCharacters(seen)
  }
  for (const args of [
    ['run', playbook, '--run-id', 'seen'],
    ['report', 'seen'],
  ]) {
    const text = await shown(...args)
    const [line, verdict] = ['OPENCLAW_RESULT_JSON:', 'Rolled back'].map(part => text.lastIndexOf(part))
    expect(line).toBeGreaterThan(-1)
    expect(verdict, args[0]).toBeGreaterThan(line!)
    expect(text.match(/OPENCLAW_RESULT_JSON:/g)).toHaveLength(1)
  }
})
