/** Where output goes, and what becomes of it there: programs that read it, full disks, readers that leave, no home. */
import { spawnSync } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HOSTOPS, type HostopsRig, hostopsRig, reportOf } from '../rig/hostops.ts'

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(() => rig.remove())

const good = { run: ['sh', '-c', 'echo hello; echo oops >&2'], undo: ['true'] }
const bad = { run: ['sh', '-c', 'echo no >&2; exit 3'], undo: ['true'] }

describe('--output json: every line of stderr is JSON, and stdout holds the result line only', () => {
  const cases: [outcome: string, code: number, steps: object[], args: string[]][] = [
    ['succeeded', 0, [good], []],
    ['unchanged', 0, [{ ...good, changed: false }], []],
    ['planned', 0, [good], ['--dry-run']],
    ['planned', 0, [good], ['--check']],
    ['rolled-back', 1, [good, bad], []],
    ['failed-unchanged', 1, [{ ...bad, effect: 'read' }], []],
    ['failed-changed', 5, [good, bad], ['--no-rollback']],
    ['rollback-failed', 5, [{ ...good, undo: ['false'] }, bad], []],
    ['invalid', 2, [good], ['-i', 'nothing=1']],
    ['invalid', 2, [good], ['--no-such-option']],
    ['invalid', 2, [good], ['--timeout', 'soon']],
    ['invalid', 2, [{ uses: 'no.such.kind' }], []],
    ['invalid', 2, [good], ['--config', 'nowhere.yaml']],
    ['invalid', 2, [good], ['--target', 'nowhere']],
    ['refused', 3, [{ uses: 'confirm', with: { within: '1m' } }], []],
    ['refused', 3, [good], ['--plan', 'moved']],
    ['unreachable', 4, [good], ['--target', 'ssh:no-such-host.invalid']],
    ['unreachable', 4, [good], ['--target', 'hostlink', '--on-host']],
  ]
  test.each(cases)('%s (%i)', async (outcome, code, steps, args) => {
    const file = rig.playbook('told', steps)
    const env = { HOSTLINK_SOCKET: '/nowhere/hostlink.sock', HOSTLINK_TOKEN: 'x' }
    const ended = await rig.run(['run', file, '--output', 'json', ...args], { env })
    expect([ended.report.outcome, ended.code]).toEqual([outcome, code])
    const told = ended.stderr.trimEnd().split('\n')
    for (const line of told) expect(() => JSON.parse(line), line).not.toThrow()
    expect(JSON.parse(told.at(-1)!)).toMatchObject({ type: 'run-finished', outcome })
    expect(ended.stdout).toBe(`OPENCLAW_RESULT_JSON:${JSON.stringify(ended.report)}\n`)
  })

  test.each([
    ['here', []],
    ['on the host', ['--on-host']],
  ])('with --quiet %s: nothing of what goes well, and only the end of what does not', async (_, more) => {
    const told = (steps: object[], ...args: string[]) =>
      rig.run(['run', rig.playbook('told', steps), '--quiet', '--output', 'json', ...more, ...args])
    expect((await told([good])).stderr).toBe('')
    const failed = await told([good, bad])
    expect(failed.stderr.match(/\n/g)).toHaveLength(1)
    expect(JSON.parse(failed.stderr)).toMatchObject({ type: 'run-finished', outcome: 'rolled-back' })
  })

  test('of a dry run: also where nothing can be kept', async () => {
    const file = rig.playbook('told', [{ run: ['echo', 'hello'] }])
    const dry = (more: string[], env: NodeJS.ProcessEnv = {}) =>
      rig.run(['run', file, '--dry-run', '--output', 'json', ...more], { env })
    const ended = await dry([], { HOSTOPS_STATE_DIR: rig.write('a-file', '') })
    expect(
      ended.stderr
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line).type),
    ).toEqual(['plan', 'run-started', 'checked', 'run-finished'])
    expect((await dry(['--quiet'])).stderr).toBe('')
  })

  test('interrupted (143)', async () => {
    const file = rig.playbook('told', [good, { run: ['sleep', '60'], effect: 'read' }])
    const run = rig.start(['run', file, '--output', 'json'])
    await run.until(/"sleep"/)
    run.child.kill('SIGTERM')
    const ended = await run.ended
    expect([ended.report.outcome, ended.code]).toEqual(['interrupted', 143])
    for (const line of ended.stderr.trimEnd().split('\n')) expect(() => JSON.parse(line), line).not.toThrow()
    expect(ended.stdout.split('\n')).toHaveLength(2)
  })
})

describe('a stdout that takes nothing', () => {
  const into = (stdout: number, args: string[]) =>
    spawnSync(process.execPath, [HOSTOPS, ...args], {
      env: rig.env,
      cwd: rig.folder,
      stdio: ['ignore', stdout, 'pipe'],
      encoding: 'utf8',
    })

  test('a full disk: said on stderr; the code of a run is still its own', () => {
    const full = openSync('/dev/full', 'w')
    const file = rig.playbook('told', [good])
    const run = into(full, ['run', file])
    expect([run.status, run.stderr]).toEqual([
      0,
      expect.stringMatching(/could not be written to stdout: ENOSPC.*\nhint: hostops report last/),
    ])
    const list = into(full, ['list'])
    expect([list.status, list.stderr]).toEqual([1, expect.stringContaining('could not be written to stdout')])
    expect(into(full, ['run', rig.playbook('worse', [good, bad])]).status).toBe(1)
  })

  test('a reader that leaves: the run goes on to its end, and nobody complains', () => {
    const file = rig.playbook('told', [
      good,
      { run: ['sh', '-c', 'sleep 0.3; echo done > ended'], cwd: rig.folder },
    ])
    const piped = spawnSync(
      'sh',
      ['-c', '("$0" "$@"; echo "code $?" >&2) | true', process.execPath, HOSTOPS, 'run', file],
      {
        env: rig.env,
        cwd: rig.folder,
        encoding: 'utf8',
      },
    )
    expect(existsSync(join(rig.folder, 'ended'))).toBe(true)
    expect(piped.stderr).toMatch(/Succeeded[\s\S]*code 0/)
    expect(piped.stderr).not.toMatch(/EPIPE|error/)
  })
})

describe('where nothing is known of a home', () => {
  test('a relative HOME is none: nothing is written beside the playbook', async () => {
    const file = rig.playbook('told', [good])
    await rig.run(['run', file], {
      env: { HOME: 'elsewhere', XDG_STATE_HOME: join(rig.folder, 'xdg'), HOSTOPS_STATE_DIR: '' },
    })
    const ended = await rig.start(['runs'], { env: { HOME: 'elsewhere', HOSTOPS_STATE_DIR: '' } }).ended
    expect(ended.code).toBe(0)
    expect(existsSync(join(rig.folder, 'elsewhere'))).toBe(false)
  })

  test.runIf(process.getuid?.() === 0)(
    'a user without one (as root only): refused, and told what to set',
    () => {
      const file = rig.playbook('told', [good])
      const argv = ['--reuid', '54321', '--clear-groups', process.execPath, HOSTOPS, 'run', file]
      const { HOME: _home, HOSTOPS_STATE_DIR: _state, ...env } = rig.env
      spawnSync('chmod', ['-R', 'a+rX', rig.folder])
      const ended = spawnSync('setpriv', argv, { env, cwd: '/', encoding: 'utf8' })
      expect(ended.status).toBe(3)
      expect(ended.stderr).toContain('choose another folder with HOSTOPS_STATE_DIR')
    },
  )
})

test('what is started with the environment of the tests keeps its state apart from that of the user', () => {
  const ended = spawnSync(process.execPath, [HOSTOPS, 'run', rig.playbook('told', [good])], {
    env: process.env,
    cwd: rig.folder,
    encoding: 'utf8',
  })
  expect(ended.status, ended.stderr).toBe(0)
  const kept = reportOf(ended.stdout).runId
  expect(process.env['XDG_STATE_HOME']).toBe(join(tmpdir(), '.state'))
  expect(existsSync(join(process.env['XDG_STATE_HOME']!, 'hostops', 'runs', kept))).toBe(true)
})
