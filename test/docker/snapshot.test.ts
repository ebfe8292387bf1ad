/** State that cannot go back, on a real engine: copied before the upgrade, put back while nothing runs on it. */
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { readEvents } from '../../src/runs/read-journal.ts'
import { ALL } from '../rig/cells.ts'
import { TARGETS, withoutDocker } from '../rig/docker.ts'
import { dyingHostops } from '../rig/dying-hostops.ts'
import { type Ended, type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'
import { removeLockOf } from '../rig/lock-file.ts'
import { numberedEntries } from '../rig/numbered-entries.ts'
import { openclawStack } from '../rig/openclaw-stack.ts'
import { killAllOf, workingOn } from '../rig/processes.ts'
import { type StateStack, stateStack } from '../rig/state-stack.ts'
import { reach } from '../rig/target.ts'

const missing = withoutDocker('state that is put back while its service is stopped')
const LIMIT_MS = 400_000

describe.skipIf(missing !== null)('files.snapshot on a stack', { timeout: LIMIT_MS }, () => {
  let rig: HostopsRig
  let stack: StateStack
  let runs = 0
  let id = ''
  beforeAll(() => {
    stack = stateStack()
  }, LIMIT_MS)
  afterAll(() => stack?.remove(), LIMIT_MS)
  beforeEach(async () => {
    rig = hostopsRig()
    id = `r${++runs}`
    await stack.runsOnV1()
  }, LIMIT_MS)
  afterEach(async () => {
    await killAllOf(rig.folder)
    removeLockOf(stack.dir)
    await rig.remove()
    await stack.backToV1(id)
  }, LIMIT_MS)

  const copies = () => [
    { id: 'copy-state', uses: 'files.snapshot', with: { path: stack.state } },
    { id: 'copy-data', uses: 'files.snapshot', with: { volume: stack.volume } },
  ]
  const playbook = (ref: string, snapshots: object[] = copies()) =>
    rig.playbook(
      'upgrade',
      [
        { id: 'checkout', uses: 'git.checkout', with: { repo: stack.dir, ref } },
        { id: 'build', uses: 'compose.build' },
        ...snapshots,
        { id: 'up', uses: 'compose.up', with: { for: '1s' } },
        { id: 'stands', uses: 'compose.wait', with: { for: '1s' } },
      ],
      { defaults: { dir: stack.dir } },
    )
  const run = (ref: string, more: { env?: NodeJS.ProcessEnv; node?: readonly string[] } = {}) =>
    rig.run(['run', playbook(ref), '--run-id', id], more)
  const places = () => [stack.state, stack.data]
  const expectBack = async ({ report, stderr }: Ended) => {
    expect(report, stderr).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
      rollbackError: null,
    })
    expect(stack.head()).toBe('v1')
    await stack.runsOnV1()
    expect(places().map(place => stack.read(place, 'notes'))).toEqual(['of v1', null])
  }
  const failed = () => places().map(place => `${place}.failed-${id}`)

  test('goes back with the version, and keeps what the newer one has written', async () => {
    const ended = await run('bad')
    await expectBack(ended)
    const [first, second] = failed()
    expect(ended.report).toMatchObject({
      failedStep: 'stands',
      stateSetAside: [
        { path: `volume ${stack.volume}`, keptAs: second },
        { path: stack.state, keptAs: first },
      ],
    })
    for (const place of failed()) expect(stack.read(place, 'format')).toBe('2')
    expect(stack.read(first!, 'notes.migrated')).toBe('of v1')
    for (const path of [stack.state, `volume ${stack.volume}`]) {
      const seen = ended.report.rollbackObservations.find(({ target }) => target === path)
      expect(seen).toMatchObject({ what: 'files', ok: true })
      expect(seen!.saw).toMatch(/^as kept at .* minutes of newer state are in/)
    }
    expect(ended.stderr).toMatch(new RegExp(`kept .*, ${stack.name} paused for [\\d.]+ s`))
    expect(ended.stderr).toContain(`stopped, since its state is put back: ${stack.name}`)
    // What was copied last is put back first, and what was rolled back needs no copy any more.
    expect(readdirSync(stack.folder).sort()).toEqual([
      '.hostops-snapshots',
      'app',
      'state',
      `state.failed-${id}`,
    ])
    const again = await rig.run(['rollback', id])
    expect(again.stdout).toBe(ended.stdout)
  })

  test('without a copy the old version refuses its state', async () => {
    const { report, stderr } = await rig.run(['run', playbook('bad', []), '--run-id', id])
    expect(report, stderr).toMatchObject({ outcome: 'rollback-failed', rollbackVerified: false })
    expect(stack.head()).toBe('v1')
    await poll(() => stack.logs().includes('older than the config last written by format 2'))
    await poll(() => stack.status() === 'restarting')
  })

  test('a good version keeps its state, until somebody rolls it back by hand', async () => {
    const file = playbook('v2')
    const checked = await rig.run(['run', file, '--check'])
    expect(checked.stderr).toMatch(
      new RegExp(`${stack.state}: .* would be copied beside it .*, with ${stack.name} paused`),
    )
    expect(stack.status()).toBe('running')
    const good = await run('v2')
    expect(good.report, good.stderr).toMatchObject({ outcome: 'succeeded' })
    for (const place of places()) await poll(() => stack.read(place, 'format') === '2')
    const rehearsed = await rig.run(['rollback', id, '--check'])
    expect(rehearsed.stderr).toMatch(/is kept: what was written since would be set aside/)
    const back = await rig.run(['rollback', id])
    await expectBack(back)
    for (const place of failed()) expect(stack.read(place, 'format')).toBe('2')
  })

  test('what fails before anything else is touched leaves the service and its state alone', async () => {
    const started = stack.docker('inspect', '--format', '{{.State.StartedAt}}', stack.name)
    const steps = [...copies(), { id: 'fail', run: ['false'], effect: 'read' }]
    const { report, stderr } = await rig.run(['run', rig.playbook('copy', steps), '--run-id', id])
    expect(report, stderr).toMatchObject({ outcome: 'failed-unchanged', rollbackVerified: true })
    expect(report.stateSetAside).toBe(undefined)
    expect(stack.docker('inspect', '--format', '{{.State.StartedAt}}', stack.name)).toBe(started)
    expect(failed().map(existsSync)).toEqual([false, false])
  })

  /** So that somebody can die while it is paused. */
  const slowCopy = () => {
    const tool = rig.write('bin/cp', '#!/bin/sh\n[ "$1" != -a ] || sleep 3\nexec /bin/cp "$@"\n')
    chmodSync(tool, 0o755)
    return { PATH: `${rig.path('bin')}:${process.env['PATH']}` }
  }
  const startPaused = async () => {
    const started = rig.start(['run', playbook('bad'), '--run-id', id], { env: slowCopy() })
    await poll(() => stack.status() === 'paused')
    return started
  }
  const scripts = () => workingOn('hostops-snapshot').filter(pid => workingOn(stack.state).includes(pid))

  test.each<[string, (pid: number) => void | Promise<void>, boolean]>([
    ['its runner is killed', pid => void process.kill(pid, 'SIGKILL'), true],
    ['the copy is killed', () => scripts().forEach(pid => void process.kill(pid, 'SIGKILL')), true],
    ['everything is killed', () => killAllOf(rig.folder), false],
    ['it is interrupted', pid => void process.kill(pid, 'SIGINT'), true],
  ])('a paused service goes on when %s', async (_what, strike, byItself) => {
    const started = await startPaused()
    await strike(started.child.pid!)
    if (byItself) await poll(() => stack.status() === 'running')
    await started.ended
    expect(stack.status()).toBe(byItself ? 'running' : 'paused')
    if (existsSync(`${rig.state}/runs/${id}/report.json`)) return
    const { report, stderr } = await rig.run(['rollback', id])
    expect(report, stderr).toMatchObject({ rollbackVerified: true, rollbackError: null })
    await stack.runsOnV1()
    expect(failed().map(existsSync)).toEqual([false, false])
    expect(readdirSync(stack.folder).sort()).toEqual(['.hostops-snapshots', 'app', 'state'])
  })

  test('a resumed run copies anew, and goes to its end', async () => {
    const started = await startPaused()
    await killAllOf(rig.folder)
    await started.ended
    const ended = await rig.run(['resume', id])
    await expectBack(ended)
  })

  test('killed after each entry from the copy on, and rolled back', async () => {
    await run('bad')
    const folder = `${rig.state}/runs/${id}`
    const entries = numberedEntries(folder)
    const deaths = entries.flatMap((event, at) => (isDeath(event) ? [at + 1] : []))
    expect(deaths.length).toBeGreaterThan(6)
    for (const at of deaths) {
      await stack.backToV1(id)
      id = `r${++runs}`
      const first = await run('bad', dyingHostops(rig).here(`after:${at}`))
      if (first.signal !== 'SIGKILL') continue
      await poll(() => workingOn(rig.folder).length === 0)
      const told = `${at}: ${JSON.stringify(entries[at - 1])}`
      const ended = await rig.run(['rollback', id])
      expect(ended.report, `${told}\n${ended.stderr}`).toMatchObject({
        outcome: expect.stringMatching(/^(rolled-back|failed-unchanged)$/),
        rollbackVerified: true,
        rollbackError: null,
      })
      await stack.runsOnV1()
      const events = readEvents(`${rig.state}/runs/${id}`)
      const isTouched = events.some(event => event.type === 'step-started' && event.id === 'up')
      expect(failed().map(existsSync), told).toEqual([isTouched, isTouched])
      expect(
        places().map(place => stack.read(place, 'notes')),
        told,
      ).toEqual(['of v1', null])
    }
  })
})

describe.skipIf(missing !== null)('the shipped upgrade', { timeout: LIMIT_MS }, () => {
  test.each(TARGETS)('copies statePath and puts it back, on %s', async target => {
    const rig = hostopsRig()
    const stack = await openclawStack('compose', { files: { 'package.json': packageText(1) } })
    const at = await reach(target, rig.folder)
    try {
      stack.release('v2', 'unhealthy', { 'package.json': packageText(2) })
      const state = join(stack.folder, 'config')
      writeFileSync(join(state, 'openclaw.json'), '{}')
      const before = stack.now()
      const given = { repoPath: stack.dir, ref: 'v2', gatewayBaseUrl: stack.url, healthTimeout: '3s' }
      const upgrade = (inputs: object, ...more: string[]) => {
        const words = Object.entries({ ...given, ...inputs }).flatMap(([key, value]) => [
          '-i',
          `${key}=${value}`,
        ])
        return rig.run(['run', 'upgrade-openclaw', ...words, ...at.args, ...more], { env: at.env })
      }
      const told = 'schemaVersions {"state":1} -> {"state":2}: the new version migrates its state'
      expect((await upgrade({}, '--check')).stderr).toContain(`${told}; give statePath`)
      const checked = await upgrade({ statePath: state }, '--check')
      expect(checked.stderr).toContain(`${told}; statePath is copied first`)
      expect(checked.stderr).toMatch(/in 3 entries would be copied beside it .*, with \S+ paused/)

      const { report, stderr } = await upgrade({ statePath: state })
      expect(report, stderr).toMatchObject({
        outcome: 'rolled-back',
        failedStep: 'health.poll',
        rollbackVerified: true,
        rollbackError: null,
        stateSetAside: [{ path: state, keptAs: `${state}.failed-${report.runId}` }],
      })
      expect(stack.now()).toEqual(before)
      expect(stack.in('ls', '/home/node/.openclaw')).toContain('openclaw.json')
    } finally {
      await at.stop()
      stack.remove()
      await rig.remove()
    }
  })
})

const packageText = (state: number) => JSON.stringify({ openclaw: { schemaVersions: { state } } })

/** Where a copy is under way, or a part of the way back that has to do with it: with HOSTOPS_CRASH_ALL=1 all of it. */
const isDeath = (event: Event) =>
  'id' in event &&
  (ALL ? /^(step|part|command)-/ : /^(step-finished|part-started)$/).test(event.type) &&
  (event.id.startsWith('copy')
    ? !('movement' in event) || ALL || event.movement !== 'verify'
    : isUpAgain(event))

const isUpAgain = (event: Event) =>
  event.type === 'part-started' && event.id === 'up' && event.movement === 'reactivate'
