/** run_as_user: what root opened is kept, what root could do is gone. Only root can show it. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findUser } from '../../../src/hostlink/daemon/config/user.ts'
import { askOnce } from '../../rig/ask.ts'
import { HOSTLINKD, startDaemonRig, writeConfig } from '../../rig/daemon.ts'
import { isRunning, until } from '../../rig/observe.ts'

const nobody = findUser('nobody')
const isRoot = process.getuid?.() === 0

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostlink-user-'))
  chmodSync(folder, 0o755)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const config = () => ({
  run_as_user: 'nobody',
  unix_path: join(folder, 'run', 'h.sock'),
  output_tmpdir: join(folder, 'out'),
})

/** Starts it in the background, where the log has to be a file, and ends it again. */
async function lifeWithLog(log: string): Promise<void> {
  const file = join(folder, 'h.conf')
  const pidFile = join(folder, 'pid')
  writeConfig(file, { auth_token: 'token-0123456789abcdef', log_target: log, ...config() })
  const started = spawnSync(process.execPath, [HOSTLINKD, '-c', file, '-p', pidFile], { encoding: 'utf8' })
  expect(started).toMatchObject({ status: 0, stderr: '' })
  const pid = Number(readFileSync(pidFile, 'utf8'))
  process.kill(pid, 'SIGTERM')
  await until('it has ended', () => !isRunning(pid))
}

describe.skipIf(!isRoot || nobody === null)('a daemon of root with run_as_user', () => {
  test('runs commands and jobs as that user and nobody else, keeps its records, and removes its socket', async () => {
    await using daemon = await startDaemonRig({ config: config() })
    const ask = (fields: object) => askOnce(daemon, { type: 'exec', ...fields })
    const who = await ask({ command: 'grep -E "^(Uid|Gid|Groups)" /proc/self/status; echo $HOME $USER' })
    const { uid, gid, home } = nobody!
    expect(who['stdout']).toContain(`Uid:\t${[uid, uid, uid, uid].join('\t')}\n`)
    expect(who['stdout']).toContain(`Gid:\t${[gid, gid, gid, gid].join('\t')}\n`)
    expect(who['stdout']).toMatch(new RegExp(`^Groups:\t${gid} ?$`, 'm'))
    expect(who['stdout']).toContain(`${home} nobody\n`)
    expect(await ask({ command: 'cat /proc/1/environ' })).toMatchObject({ exit_code: 1 })
    expect(await ask({ command: 'echo x', output_to_file: true, id: 'f' })).toMatchObject({ exit_code: 0 })
    const { job_id } = await ask({ command: 'id -u', detach: true })
    await until('the job has ended', async () => {
      const info = await askOnce(daemon, { type: 'job', action: 'status', job_id })
      return info['done'] === true && info['exit_code'] === 0
    })
    await until('the audit log has lines', () => existsSync(join(folder, 'out', 'audit.ndjson')))
    daemon.signal('SIGTERM')
    expect(await daemon.ended).toBe(0)
    expect(existsSync(daemon.socket)).toBe(false)
  })

  test('gives that user the log that it makes, and no file that a link in its place leads to', async () => {
    const log = join(folder, 'made.log')
    await lifeWithLog(log)
    expect(statSync(log).uid).toBe(nobody!.uid)
    const precious = join(folder, 'precious')
    writeFileSync(precious, '')
    symlinkSync(precious, join(folder, 'link.log'))
    await lifeWithLog(join(folder, 'link.log'))
    expect(statSync(precious).uid).toBe(0)
  })

  test('is told at the start what a daemon of root has left that this user cannot write to, and what to type', async () => {
    const { run_as_user, ...asRoot } = config()
    const before = await startDaemonRig({ config: asRoot })
    await askOnce(before, { type: 'exec', command: 'true', detach: true })
    await until('the audit log has lines', () => existsSync(join(folder, 'out', 'audit.ndjson')))
    await before.stop()
    const file = join(folder, 'h.conf')
    writeConfig(file, { auth_token: 'token-0123456789abcdef', ...asRoot, run_as_user })
    const said = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [HOSTLINKD, ...args, '-c', file], {
        encoding: 'utf8',
      })
      return { status, text: stdout + stderr }
    }
    const out = join(folder, 'out')
    const mend = (path: string) =>
      `h.conf:3: output_tmpdir: ${path} belongs to uid 0, and cannot be written as run_as_user nobody\nhint: chown -R nobody: ${path}\n`
    expect(said('-f')).toEqual({ status: 1, text: expect.stringContaining(mend(out)) })
    expect(said('check')).toEqual({ status: 1, text: expect.stringContaining(mend(out)) })
    // What the folder holds is looked at, too.
    chownSync(out, nobody!.uid, nobody!.gid)
    expect(said('-f').text).toContain(mend(join(out, 'jobs')))
    chownSync(join(out, 'jobs'), nobody!.uid, nobody!.gid)
    expect(said('-f').text).toContain(mend(join(out, 'audit.ndjson')))
    spawnSync('chown', ['-R', 'nobody:', out])
    await using after = await startDaemonRig({ config: config() })
    expect(await askOnce(after, { type: 'exec', command: 'id -un' })).toMatchObject({ stdout: 'nobody\n' })
  })
})
