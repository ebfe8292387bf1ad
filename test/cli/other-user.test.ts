/** Users who may not write everywhere, and machines where nobody may: real users, real folders, real mounts. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HOSTOPS, type HostopsRig, hostopsRig, reportOf } from '../rig/hostops.ts'

const NOBODY = 65534
const AS_NOBODY = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups']
const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('NOT TESTED: what another user may not do (this needs root to become one)')

let rig: HostopsRig
/** Of nobody: its state and its checkout. */
let own: string
beforeEach(() => {
  rig = hostopsRig()
  chmodSync(rig.folder, 0o755)
  own = mkdtempSync(join(tmpdir(), 'hostops-nobody-'))
  if (isRoot) chownSync(own, NOBODY, NOBODY)
})
afterEach(async () => {
  rmSync(own, { recursive: true, force: true })
  await rig.remove()
})

function run(wrapper: readonly string[], args: readonly string[], state = join(own, 'state')) {
  const [program = '', ...words] = [...wrapper, process.execPath, HOSTOPS, ...args]
  const env = { PATH: process.env['PATH'], HOME: own, HOSTOPS_STATE_DIR: state }
  const { status, stdout, stderr } = spawnSync(program, words, { cwd: '/', env, encoding: 'utf8' })
  return {
    code: status,
    stdout,
    stderr,
    get report() {
      return reportOf(stdout)
    },
  }
}

function checkout(): string {
  const repo = join(own, 'repo')
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.invalid', ...args], {
      stdio: 'pipe',
    })
  git('init', '-q', '-b', 'main', repo)
  git('-C', repo, 'commit', '-q', '--allow-empty', '-m', 'one')
  git('-C', repo, 'checkout', '-q', '--detach')
  execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, repo])
  return repo
}
const locked = (repo: string) =>
  rig.playbook('locked', [
    { id: 'own', uses: 'git.checkout', with: { repo, ref: 'main' } },
    { id: 'write', run: ['touch', join(own, 'mark')], undo: ['rm', '-f', join(own, 'mark')] },
  ])

describe.runIf(isRoot)('a user without rights', () => {
  test('is refused a checkout of another owner, 3, with what can be typed', () => {
    const repo = checkout()
    execFileSync('chown', ['-R', '4242:4242', repo])
    const ended = run(AS_NOBODY, ['run', locked(repo)])
    expect(ended.report).toMatchObject({ outcome: 'refused', errorCode: 'foreign-checkout', changed: false })
    expect(ended.code).toBe(3)
    const hint = /sudo (chown -R nobody \S+)/.exec(ended.stderr)?.[1] ?? ''
    execFileSync('sh', ['-c', hint])
    expect(run(AS_NOBODY, ['run', locked(repo)]).report).toMatchObject({ outcome: 'succeeded' })
  })
  test('whose state folder is somebody else’s: refused, and nothing is touched; so is going on there', () => {
    const file = rig.playbook('p', [{ run: ['touch', join(own, 'mark')], undo: ['true'] }])
    const state = rig.path('theirs')
    mkdirSync(state, { mode: 0o755 })
    const refused = run(AS_NOBODY, ['run', file], state)
    expect(refused).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'state-unwritable' } })
    expect(refused.stderr).toContain('HOSTOPS_STATE_DIR')
    expect(existsSync(join(own, 'mark'))).toBe(false)
    expect(run([], ['run', file, '--run-id', 'r'], state).report.outcome).toBe('succeeded')
    for (const verb of ['resume', 'rollback'])
      expect(run(AS_NOBODY, [verb, 'r'], state)).toMatchObject({ code: 2, report: { outcome: 'invalid' } })
    expect(run(AS_NOBODY, ['report', 'r'], state)).toMatchObject({ code: 2, stdout: '' })
    expect(run(AS_NOBODY, ['runs'], state).code).toBe(0)
  })

  test('whose run is readable and not writable: no other runner, no other verdict', () => {
    const file = rig.playbook('p', [
      { run: ['touch', join(own, 'mark')], undo: ['rm', '-f', join(own, 'mark')] },
    ])
    const ran = run(AS_NOBODY, ['run', file, '--run-id', 'r'])
    expect(ran.report.outcome).toBe('succeeded')
    execFileSync('chown', ['-R', '0:0', join(own, 'state')])
    execFileSync('chmod', ['-R', 'a+rX', join(own, 'state')])
    const back = run(AS_NOBODY, ['rollback', 'r'])
    expect(back).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'state-unwritable' } })
    expect(existsSync(join(own, 'mark'))).toBe(true)
    expect(run(AS_NOBODY, ['report', 'r'])).toMatchObject({ code: 0, stdout: ran.stdout })
  })

  test('runs, and finds the lock of another user in its way', async () => {
    const repo = checkout()
    const file = locked(repo)
    const done = run(AS_NOBODY, ['run', file])
    expect(done.report.outcome, done.stderr).toBe('succeeded')
    const hold = rig.playbook('hold', [
      { id: 'own', uses: 'git.checkout', with: { repo, ref: 'main' } },
      { id: 'hold', run: ['sleep', '600'], effect: 'read' },
    ])
    const root = rig.start(['run', hold, '--output', 'lines'])
    await root.until(/hold: started/)
    expect(run(AS_NOBODY, ['run', file])).toMatchObject({
      code: 3,
      report: { outcome: 'refused', errorCode: 'lock-held' },
    })
    root.child.kill('SIGTERM')
    await root.ended
    expect(run(AS_NOBODY, ['run', file]).report.success).toBe(true)
  })

  test('on a machine where nobody may write a lock: nothing is begun, and what was begun stays as open as it was', () => {
    const nowhere = ['/var/tmp', '/run/lock', '/tmp/hostops-locks']
    const mounts = nowhere.map(place => `mount -t tmpfs -o ro tmpfs '${place}'`).join(' && ')
    const readOnly = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', `${mounts} && exec "$@"`, 'sh']
    const made = mkdirSync('/tmp/hostops-locks', { recursive: true, mode: 0o1777 }) !== undefined
    try {
      const probe = spawnSync(readOnly[0]!, [...readOnly.slice(1), 'true'], { encoding: 'utf8' })
      if (probe.status !== 0)
        return console.warn(`NOT TESTED: folders cannot be mounted here (${probe.stderr.trim()})`)
      const file = locked(checkout())
      const refused = run([...readOnly, ...AS_NOBODY], ['run', file, '--run-id', 'n'])
      expect(refused.report).toMatchObject({ success: false, changed: false, errorCode: 'lock-unwritable' })
      expect(existsSync(join(own, 'mark'))).toBe(false)
      const ran = run(AS_NOBODY, ['run', file, '--run-id', 'r'])
      expect(ran.report.outcome, ran.stderr).toBe('succeeded')
      const back = run([...readOnly, ...AS_NOBODY], ['rollback', 'r'])
      expect(back).toMatchObject({
        code: 3,
        report: { outcome: 'refused', errorCode: 'lock-unwritable', changed: true },
      })
      expect(existsSync(join(own, 'mark'))).toBe(true)
      expect(run(AS_NOBODY, ['report', 'r']).stdout).toBe(ran.stdout)
      expect(run(AS_NOBODY, ['rollback', 'r']).report).toMatchObject({
        rollbackVerified: null,
        notVerified: ['write'],
      })
    } finally {
      if (made) rmSync('/tmp/hostops-locks', { recursive: true, force: true })
    }
  })
})
