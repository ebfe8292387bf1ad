/** `confirm` and `cancel` on runs of this machine: the real binary, its real state folder. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { awaitConfirmIn, decide, decision } from '../../src/runs/confirmation.ts'
import { runsHere } from '../../src/runs/runs-here.ts'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'

const HOOKS = fileURLToPath(new URL('../rig/hooks.mjs', import.meta.url))

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(() => rig.remove())

/** Writes a file, waits for a confirmation; its undo removes the file. */
const playbook = (within: string, last = within) =>
  rig.playbook('dead-man', [
    { id: 'write', run: ['touch', rig.path('mark')], undo: ['rm', '-f', rig.path('mark')] },
    {
      id: 'gate',
      run: ['sh', '-c', `while test -d ${rig.folder} && ! test -e ${rig.path('go')}; do sleep 0.05; done`],
      effect: 'read',
    },
    { id: 'sure', uses: 'confirm', with: { within } },
    ...(last === within ? [] : [{ id: 'again', uses: 'confirm', with: { within: last } }]),
  ])
const begin = (file: string) => rig.start(['run', file, '--run-id', 'r', '--as-host', '--output', 'json'])
const letGo = () => writeFileSync(rig.path('go'), '')
const journal = () => {
  const file = join(rig.state, 'runs', 'r', 'journal.ndjson')
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
const entries = (type: string) =>
  journal()
    .split('\n')
    .filter(line => line.includes(`"type":"${type}"`))
    .map(line => JSON.parse(line))
const ME = { kind: 'user', name: userInfo().username }
const awaited = (step: string) => poll(() => new RegExp(`"confirm-awaited","id":"${step}"`).test(journal()))

describe('confirm', () => {
  test('of a run that asks for none says so', async () => {
    await rig.run(['run', rig.playbook('p', [{ run: ['true'] }]), '--run-id', 'r'])
    expect(await rig.run(['confirm', 'r'])).toMatchObject({
      ...{ code: 3, stderr: 'error: r has no confirm step: it waits for nobody\nhint: hostops report r\n' },
    })
  })

  test('is refused before the step is reached, taken there, and fine when given twice', async () => {
    const run = begin(playbook('1h'))
    await poll(() => journal().includes('"step-started","id":"gate"'))
    const early = await rig.run(['confirm', 'r'])
    expect([early.code, early.stderr]).toEqual([
      3,
      expect.stringContaining('does not wait for a confirmation yet'),
    ])
    letGo()
    await awaited('sure')
    const first = await rig.run(['confirm', 'r'])
    expect([first.code, first.stdout, first.stderr]).toEqual([0, '', 'r is confirmed (step sure)\n'])
    expect((await run.ended).report).toMatchObject({ outcome: 'succeeded', success: true })
    expect(rig.exists('mark')).toBe(true)
    const second = await rig.run(['confirm', 'r'])
    expect([second.code, second.stderr]).toEqual([0, 'r was confirmed already (step sure)\n'])
    expect(entries('confirmed')).toMatchObject([{ id: 'sure', by: ME }])
    expect(entries('run-started')).toMatchObject([{ caller: { by: ME, target: 'local', parent: null } }])
  })

  test('that nobody gives in time takes the run back, and then comes too late', async () => {
    letGo()
    const run = begin(playbook('300ms'))
    const { report, code } = await run.ended
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      success: false,
      failedStep: 'sure',
      approvalNeeded: { via: 'confirm', id: 'sure', command: null },
      errorCode: 'approval-denied',
    })
    expect(code).toBe(1)
    expect(rig.exists('mark')).toBe(false)
    const late = await rig.run(['confirm', 'r'])
    expect([late.code, late.stderr]).toEqual([3, expect.stringContaining('it is taken back')])
  })

  test('of one step does not count for the next one', async () => {
    letGo()
    const run = begin(playbook('1h', '500ms'))
    await awaited('sure')
    expect((await rig.run(['confirm', 'r'])).code).toBe(0)
    expect((await run.ended).report).toMatchObject({ outcome: 'rolled-back', failedStep: 'again' })
  })

  test('is not answered before its step, though that of an earlier one was given', async () => {
    const [go, on] = [rig.path('go'), rig.path('on')]
    const gate = (id: string, file: string) => ({
      id,
      script: `while test -d '${rig.folder}' && ! test -e '${file}'; do sleep 0.05; done`,
      effect: 'read',
    })
    const sure = (id: string) => ({ id, uses: 'confirm', with: { within: '1h' } })
    const run = begin(rig.playbook('two', [gate('a', go), sure('first'), gate('b', on), sure('second')]))
    letGo()
    await awaited('first')
    expect((await rig.run(['confirm', 'r'])).code).toBe(0)
    await poll(() => journal().includes('"step-started","id":"b"'))
    const early = await rig.run(['confirm', 'r'])
    expect([early.code, early.stderr]).toEqual([
      3,
      expect.stringContaining('does not wait for the confirmation of second yet (that of first is over)'),
    ])
    writeFileSync(on, '')
    await awaited('second')
    expect((await rig.run(['confirm', 'r'])).stderr).toBe('r is confirmed (step second)\n')
    expect((await run.ended).report.outcome).toBe('succeeded')
    expect((await rig.run(['confirm', 'r'])).stderr).toBe('r was confirmed already (step second)\n')
  })

  test('by another is refused to the user who started the run, and taken from anybody else', async () => {
    letGo()
    const steps = [{ id: 'sure', uses: 'confirm', with: { within: '1h', by: 'other' } }]
    const run = begin(rig.playbook('two-people', steps))
    await awaited('sure')
    const own = await rig.run(['confirm', 'r'])
    expect([own.code, own.stderr]).toEqual([
      3,
      'error: sure of r must be confirmed by somebody other than who started the run\nhint: as another user, or with another token: hostops confirm r\n',
    ])
    expect(run.stderr()).not.toContain('"confirmed"')
    const agent = { kind: 'mcp', name: ME.name } as const
    expect(await runsHere(rig.state).confirm('r', agent)).toEqual({ step: 'sure', already: false })
    expect((await run.ended).report.outcome).toBe('succeeded')
    expect(entries('confirm-awaited')).toMatchObject([{ confirmer: 'other' }])
    expect(entries('confirmed')).toMatchObject([{ by: agent }])
    expect((await rig.run(['confirm', 'r'])).stderr).toBe('r was confirmed already (step sure)\n')
  })

  test('by another is nobody’s to give where the journal does not say who started the run', async () => {
    const waits = { type: 'confirm-awaited', id: 'sure', deadline: Date.now() + 1e6, confirmer: 'other' }
    const started = { type: 'run-started', runId: 'r', playbook: 'p', target: 'local', steps: [] }
    const lines = [started, waits].map((event, at) => JSON.stringify({ v: 2, seq: at + 1, at: '', ...event }))
    rig.write('state/runs/r/journal.ndjson', `${lines.join('\n')}\n`)
    rig.write('state/runs/r/run.json', JSON.stringify({ runId: 'r', pid: 4_194_000 }))
    await expect(runsHere(rig.state).confirm('r', { kind: 'token', name: 'x' })).rejects.toMatchObject({
      failure: { code: 'not-confirmable', because: { why: 'own-run', step: 'sure' } },
    })
  })

  const HOUR = 3_600_000
  test.each([
    [2 * HOUR, 'confirm-awaited'],
    [-2 * HOUR, 'confirm-awaited'],
    [2 * HOUR, 'run-started'],
    [-2 * HOUR, 'run-started'],
  ])('has as long as it was given, though the clock is set by %i ms at %s', async (ms, words) => {
    letGo()
    const clock = (hook: string) => ({ env: { HOSTOPS_HOOK: hook }, node: ['--import', HOOKS] })
    const args = (id: string, file: string) => ['run', file, '--run-id', id, '--as-host', '--output', 'json']
    const short = await rig.run(args('s', playbook('700ms')), clock(`clock:${ms}:${words}`))
    expect(short.report).toMatchObject({
      outcome: 'rolled-back',
      approvalNeeded: { via: 'confirm', id: 'sure', command: null },
    })
    const run = rig.start(args('r', playbook('1h')), clock(`clock:${ms}:${words}`))
    await awaited('sure')
    expect((await rig.run(['confirm', 'r'], clock(`clock:${ms}`))).code).toBe(0)
    expect((await run.ended).report.outcome).toBe('succeeded')
  })

  test('counts when the runner died while it waited, and its time is over for the next one', async () => {
    letGo()
    const run = begin(playbook('1h'))
    await awaited('sure')
    run.child.kill('SIGKILL')
    await run.ended
    expect((await rig.run(['confirm', 'r'])).code).toBe(0)
    const resumed = await rig.run(['resume', 'r', '--as-host'])
    expect(resumed.report).toMatchObject({ outcome: 'succeeded' })
  })

  test('comes too late when its time is over, also when no runner lived to see that', async () => {
    letGo()
    const run = begin(playbook('1h'))
    await awaited('sure')
    run.child.kill('SIGKILL')
    await run.ended
    const later = { env: { HOSTOPS_HOOK: `clock:${2 * HOUR}` }, node: ['--import', HOOKS] }
    const late = await rig.run(['confirm', 'r'], later)
    expect([late.code, late.stderr]).toEqual([3, expect.stringContaining('it is taken back')])
    const resumed = await rig.run(['resume', 'r', '--as-host'], later)
    expect(resumed.report).toMatchObject({
      outcome: 'rolled-back',
      approvalNeeded: { via: 'confirm', id: 'sure', command: null },
    })
    expect(rig.exists('mark')).toBe(false)
  })

  test('cannot be waited for where the engine does not outlive its client', async () => {
    letGo()
    const ended = await rig.run(['run', playbook('1h'), '--run-id', 'r'])
    expect(ended.report).toMatchObject({
      outcome: 'refused',
      errorCode: 'approval-denied',
      approvalNeeded: { via: 'confirm', id: 'sure', command: null },
    })
    expect(rig.exists('mark')).toBe(false)
    expect(ended.report.error).toContain('--on-host')
  })
})

test.each(['confirmed', 'missed'] as const)(
  'who decides first (%s) has decided, whoever comes at the same moment',
  first => {
    const other = first === 'missed' ? 'confirmed' : 'missed'
    expect(decide(rig.folder, 1, first)).toBe(first)
    expect(decide(rig.folder, 1, other)).toBe(first)
    expect(decision(rig.folder, 1)).toBe(first)
    expect(decide(rig.folder, 2, other)).toBe(other)
  },
)

test('whose word it is stands in the journal, with those who confirmed at an older hostops', async () => {
  const wait = (deadline: number) => awaitConfirmIn(rig.folder).wait(deadline, new AbortController().signal)
  const deadline = Date.now() + 600_000
  decide(rig.folder, deadline, 'confirmed', { kind: 'token', name: 'ci' })
  expect(await wait(deadline)).toEqual({ by: { kind: 'token', name: 'ci' } })
  for (const [at, words] of ['', '\n', ' {"kind":"god","name":"x"}\n', ' nonsense'].entries()) {
    rig.write(`confirm-${deadline + 1 + at}`, `confirmed${words}`)
    expect(await wait(deadline + 1 + at), words).toEqual({ by: null })
  }
})

describe('cancel', () => {
  test('stops the run and rolls back', async () => {
    const run = begin(playbook('1h'))
    await poll(() => journal().includes('"step-started","id":"gate"'))
    const told = await rig.run(['cancel', 'r'])
    expect([told.code, told.stdout]).toEqual([0, ''])
    const { report, code, stdout } = await run.ended
    expect(report).toMatchObject({ outcome: 'interrupted', rollbackPerformed: true })
    expect(code).toBe(143)
    // Later, too, and not that of a Ctrl-C.
    expect(await rig.run(['report', 'r'])).toMatchObject({ code: 143, stdout })
    expect(rig.exists('mark')).toBe(false)
    expect(entries('interrupting')).toMatchObject([{ signal: 'SIGTERM', hard: false, by: ME }])
    const again = await rig.run(['cancel', 'r'])
    expect([again.code, again.stderr]).toEqual([3, expect.stringContaining('has ended already')])
  })

  test('twice stops the rolling back, and the report says what remains', async () => {
    const file = rig.playbook('slow-undo', [
      { id: 'write', run: ['touch', rig.path('mark')], undo: ['sleep', '60'] },
      { id: 'gate', run: ['sleep', '60'], effect: 'read' },
    ])
    const run = begin(file)
    await poll(() => journal().includes('"step-started","id":"gate"'))
    await rig.run(['cancel', 'r'])
    await poll(() => journal().includes('part-started'))
    await rig.run(['cancel', 'r'])
    const { report } = await run.ended
    expect(report.success).toBe(false)
    expect(report.rollbackError).toContain('write')
    expect(rig.exists('mark')).toBe(true)
  })

  test('a signal that comes from nobody who says so is of nobody', async () => {
    const run = begin(playbook('1h'))
    await poll(() => journal().includes('"step-started","id":"gate"'))
    run.child.kill('SIGINT')
    await run.ended
    expect(entries('interrupting')).toMatchObject([{ signal: 'SIGINT', by: null }])
  })

  test('of a run whose runner is gone says what to do', async () => {
    const run = begin(playbook('1h'))
    await poll(() => journal().includes('"step-started","id":"gate"'))
    run.child.kill('SIGKILL')
    await run.ended
    const told = await rig.run(['cancel', 'r'])
    expect([told.code, told.stderr]).toEqual([3, expect.stringContaining('hostops rollback r')])
  })
})
