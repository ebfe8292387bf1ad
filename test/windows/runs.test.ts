/** Runs on Windows from their start to their end, whoever ends them, on both versions of Node. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { poll, reportOf } from '../rig/hostops.ts'
import { NODES, noWindows, openWindows, type Windows, type WindowsNode } from '../rig/windows.ts'
import { COUNT_LIVING, makeWindowsService, type WindowsService } from '../rig/windows-service.ts'

const RUNS = 'C:\\users\\root\\AppData\\Local\\hostops\\runs'

let windows: Windows
let service: WindowsService
beforeAll(async () => {
  if (noWindows !== null) return
  windows = openWindows()
  service = await makeWindowsService(windows)
})
afterAll(() => windows?.close())
beforeEach(() => {
  if (noWindows !== null) return
  for (const name of ['waits', 'go']) rmSync(windows.of(`C:\\w\\svc\\${name}`), { force: true })
})

const living = async (pids: readonly string[]) =>
  (await windows.run(['C:\\node24\\node.exe', '-e', COUNT_LIVING, ...pids])).code

/** A run that has come to its waiting step, with the pids of that one and of its child. */
async function waitingRun(node: WindowsNode, id: string, ...words: string[]) {
  const run = windows.hostops(node, 'run', service.playbook, '--run-id', id, '-i', 'wait=true', ...words)
  await poll(() => service.waiting() !== null)
  return { run, pids: service.waiting()! }
}

const kill = (pid: number | string, ...words: string[]) =>
  windows.run(['taskkill', '/F', ...words, '/PID', String(pid)])

const headOf = (id: string) =>
  JSON.parse(readFileSync(windows.of(join(`${RUNS}\\${id}`, 'run.json')), 'utf8'))

describe.skipIf(noWindows).each(NODES)('on Node %s', node => {
  test.each([
    ['v2', 'succeeded', 0, 'v2'],
    ['v3', 'rolled-back', 1, 'v2'],
    ['v4', 'rolled-back', 1, 'v2'],
  ])('an upgrade to %s has %s', async (version, outcome, code, then) => {
    service.put('deployed', version === 'v2' ? 'v1' : 'v2')
    await windows.run(['C:\\node24\\node.exe', 'restart.mjs'], { cwd: 'C:\\w\\svc' })
    const undone = version === 'v2' ? 'v1' : 'v2'
    const done = await windows.hostops(
      node,
      'run',
      service.playbook,
      '-i',
      `version=${version}`,
      '-i',
      `before=${undone}`,
    ).ended
    const report = reportOf(done.stdout)
    expect([report.outcome, done.code, report.error], done.stderr).toEqual([
      outcome,
      code,
      version === 'v2' ? null : expect.any(String),
    ])
    expect([service.deployed(), await service.says()]).toEqual([then, then])
    if (outcome === 'rolled-back')
      expect([report.rollbackVerified, report.rollbackError]).toEqual([true, null])
  })

  test('a step that needs a POSIX shell is refused before anything begins, and what others leave out is named', async () => {
    const steps = ['{ id: up, uses: compose.up, with: { dir: C:/w } }']
    const check = async (...more: string[]) => {
      const text = `hostops: 1\nname: stack\nsteps:\n  - ${[...more, ...steps].join('\n  - ')}\n`
      writeFileSync(windows.of('C:\\w\\stack.yaml'), text)
      return windows.hostops(node, 'run', 'C:\\w\\stack.yaml', '--dry-run').ended
    }
    const left = await check()
    expect([left.code, reportOf(left.stdout).outcome], left.stderr).toEqual([0, 'planned'])
    expect(left.stderr).toContain('free space for images')
    const refused = await check('{ uses: compose.guard, with: { repo: C:/w, ref: v2, dir: C:/w } }')
    expect([refused.code, reportOf(refused.stdout).outcome], refused.stderr).toEqual([2, 'invalid'])
    expect(refused.stderr).toContain('compose.guard needs a POSIX shell on the target')
  })

  test('cancel rolls back, and leaves no process', async () => {
    service.put('deployed', 'v1')
    const { run, pids } = await waitingRun(node, `cancel-${node}`)
    expect(await living(pids)).toBe(2)
    const cancelled = await windows.hostops(node, 'cancel', `cancel-${node}`).ended
    expect(cancelled.code, cancelled.stderr).toBe(0)
    const done = await run.ended
    expect(reportOf(done.stdout), done.stderr).toMatchObject({
      outcome: 'interrupted',
      rollbackPerformed: true,
      notVerified: ['wait'],
    })
    expect([service.deployed(), await living(pids)]).toEqual(['v1', 0])
  })

  test('a timeout ends the step with its child', async () => {
    service.put('deployed', 'v1')
    const { run, pids } = await waitingRun(node, `timeout-${node}`)
    const report = reportOf((await run.ended).stdout)
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      failedStep: 'wait',
      errorCode: expect.stringMatching(/timeout/),
    })
    expect([service.deployed(), await living(pids)]).toEqual(['v1', 0])
  })

  test.each(['resume', 'rollback'] as const)(
    'the run of a runner that was killed is finished by %s',
    async verb => {
      service.put('deployed', 'v1')
      const id = `${verb}-${node}`
      const { run, pids } = await waitingRun(node, id)
      expect((await kill(headOf(id).pid)).code).toBe(0)
      await run.ended
      const listed = await windows.hostops(node, 'runs').ended
      expect(listed.stdout).toMatch(new RegExp(`${id}.*`))
      // Its step went with it; what that had started did not.
      expect(await living(pids.slice(0, 1))).toBe(0)
      await kill(pids[1]!)
      const more = verb === 'resume' ? ['--assume', 'done'] : []
      const done = await windows.hostops(node, verb, id, ...more).ended
      const report = reportOf(done.stdout)
      expect(report.outcome, done.stderr).toBe(verb === 'resume' ? 'succeeded' : 'rolled-back')
      expect(service.deployed()).toBe(verb === 'resume' ? 'v2' : 'v1')
      expect(existsSync(windows.of(`${RUNS}\\${id}\\report.json`))).toBe(true)
    },
  )

  test('a runner that lives is not taken for dead, nor its run resumed', async () => {
    service.put('deployed', 'v1')
    const id = `lives-${node}`
    const { run } = await waitingRun(node, id)
    const second = await windows.hostops(node, 'resume', id).ended
    expect(second.code, second.stderr).not.toBe(0)
    expect(second.stderr).toContain('still')
    windows.write('C:\\w\\svc\\go', '')
    expect(reportOf((await run.ended).stdout).outcome).toBe('succeeded')
  })
})
