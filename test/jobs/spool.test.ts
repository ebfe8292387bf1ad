import { execFileSync } from 'node:child_process'
import {
  chownSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openJobTable } from '../../src/jobs/job-table.ts'
import { openSpoolWriter } from '../../src/jobs/spool-output.ts'
import { startDaemonRig } from '../rig/daemon.ts'
import { isRunning, type JobsRig, jobsRig, quiet, readIfThere, until } from './jobs-rig.ts'

let rig: JobsRig
beforeEach(() => {
  rig = jobsRig()
})
afterEach(() => rig.close())

type Supervisor = { self: { pid: number; started: string; boot: string }; command: { pid: number } | null }
const supervisorOf = (id: string): Supervisor => JSON.parse(readIfThere(rig.spool(id, 'supervisor')))
const status = (id: string) => rig.ask({ action: 'status', job_id: id })

async function running(command: string): Promise<string> {
  const id = await rig.begin({ command })
  await until('it runs', async () => (await status(id)).state === 'running')
  return id
}

describe('a supervisor that is gone', () => {
  test('leaves a job that is lost, and its command can still be cancelled', async () => {
    const id = await running('sleep 60')
    const { self, command } = supervisorOf(id)
    process.kill(self.pid, 'SIGKILL')
    const info = await rig.ask({ action: 'wait', job_id: id })
    expect(info).toMatchObject({ state: 'lost', done: true, exit_code: -1, ended_at: 0 })
    expect(info.error_msg).toBe('the end of this job was never recorded: its supervisor is gone')
    expect(isRunning(command!.pid)).toBe(true)
    expect(await rig.ask({ action: 'cancel', job_id: id })).toEqual({ status: 'ok', signalled: true })
    await until('the command is gone', () => !isRunning(command!.pid))
    expect(await rig.ask({ action: 'cancel', job_id: id })).toEqual({ status: 'ok', signalled: false })
  })

  test('is not believed to be alive because another process has its pid now', async () => {
    const id = await running('sleep 60')
    const { self, command } = supervisorOf(id)
    process.kill(self.pid, 'SIGKILL')
    process.kill(-command!.pid, 'SIGKILL')
    // This very test process, had it been given the numbers.
    const reused = { ...self, pid: process.pid }
    writeFileSync(rig.spool(id, 'supervisor'), JSON.stringify({ self: reused, command: reused }))
    expect(await status(id)).toMatchObject({ state: 'lost', done: true })
    expect(await rig.ask({ action: 'cancel', job_id: id })).toEqual({ status: 'ok', signalled: false })
  })

  test('that never showed itself leaves a job that is starting for a while, and lost then', async () => {
    const id = 'abcdefabcdef'
    const young = { token: 'default', request: '', timeout_ms: 1, created_ms: Date.now(), max_spool_bytes: 1 }
    mkdirSync(rig.spool(id), { recursive: true })
    writeFileSync(rig.spool(id, 'meta'), JSON.stringify(young))
    expect(await status(id)).toMatchObject({ state: 'starting', done: false })
    writeFileSync(rig.spool(id, 'meta'), JSON.stringify({ ...young, created_ms: Date.now() - 60_000 }))
    expect(await status(id)).toMatchObject({ state: 'lost', done: true })
  })

  test('is told that it is to stop: the command ends with it, and the end is recorded', async () => {
    const id = await running('sleep 60')
    process.kill(supervisorOf(id).self.pid, 'SIGTERM')
    expect(await rig.ask({ action: 'wait', job_id: id })).toMatchObject({
      state: 'exited',
      exit_code: 143,
      error_msg: 'cancelled: the supervisor was told to stop',
    })
  })
})

test('another daemon on the same folder sees the job run and end', async () => {
  const id = await running('sleep 0.3; echo end; exit 7')
  rig.jobs.close()
  const next = rig.open()
  expect(await rig.ask({ action: 'wait', job_id: id }, undefined, next)).toMatchObject({
    exit_code: 7,
    stdout_bytes: 4,
  })
})

test('foreign and corrupt folders are stepped over', async () => {
  const good = (await rig.run({ command: 'true' })).job_id!
  const bad: [string, string, string][] = [
    ['000000000001', 'meta', ''],
    ['000000000002', 'meta', '{"token":3}'],
    ['000000000003', 'meta', '[[[['],
    ['000000000004', 'stdout', 'x'],
    ['not-a-job', 'meta', '{}'],
  ]
  for (const [id, file, text] of bad) {
    mkdirSync(rig.spool(id))
    writeFileSync(rig.spool(id, file), text)
  }
  writeFileSync(join(rig.folder, 'jobs', '000000000005'), 'a file')
  expect((await rig.ask({ action: 'list' })).jobs!.map(job => job.job_id)).toEqual([good])
  for (const [id] of bad.slice(0, 4)) expect((await status(id)).status).toBe('not_found')

  // A record of the end that cannot be read is none.
  writeFileSync(rig.spool(good, 'status'), '{"state":"exi')
  await until('its supervisor is gone', async () => (await status(good)).state === 'lost')
})

describe('the sweep', () => {
  const table = () => openJobTable(() => join(rig.folder, 'jobs'), quiet)
  const age = (id: string, file: 'status' | 'meta', field: string, value: number) => {
    const record = JSON.parse(readFileSync(rig.spool(id, file), 'utf8'))
    writeFileSync(rig.spool(id, file), JSON.stringify({ ...record, [field]: value }))
  }

  test('removes what ended long ago, and nothing else', async () => {
    const old = (await rig.run({ command: 'true' })).job_id!
    const recent = (await rig.run({ command: 'true' })).job_id!
    const shared = (await rig.run({ command: 'true' })).job_id!
    const unfinished = await running('sleep 60')
    const orphan = await running('sleep 60')
    process.kill(supervisorOf(orphan).self.pid, 'SIGKILL')
    for (const id of [old, shared]) age(id, 'status', 'ended_at', 1000)
    for (const id of [unfinished, orphan]) age(id, 'meta', 'created_ms', 1000)
    writeFileSync(rig.spool(shared, 'notes.txt'), 'of somebody else')
    mkdirSync(rig.spool('foreign'))
    mkdirSync(rig.spool('00000000000f'))
    await table().sweep(3600)
    const left = readdirSync(join(rig.folder, 'jobs'))
    expect(left.sort()).toEqual([recent, shared, unfinished, orphan, 'foreign', '00000000000f'].sort())
    expect(existsSync(rig.spool(shared, 'status'))).toBe(true)
    for (const id of [unfinished, orphan]) await rig.ask({ action: 'cancel', job_id: id, signal: 'KILL' })
  })

  test('removes drafts that a daemon left behind, once they are old', async () => {
    await rig.run({ command: 'true' })
    const draft = (name: string) => join(rig.folder, 'jobs', `.new-0123456789ab-${name}`)
    for (const name of ['000000000000', '111111111111']) mkdirSync(draft(name))
    utimesSync(draft('000000000000'), 1000, 1000)
    await table().sweep(3600)
    expect([existsSync(draft('000000000000')), existsSync(draft('111111111111'))]).toEqual([false, true])
  })
})

test('a daemon that starts removes what an earlier one left of runs that it had not yet taken', async () => {
  const state = mkdtempSync(join(tmpdir(), 'hostlink-state-'))
  const draft = (name: string) => join(state, 'requests', name)
  const old = ['.new-run-1-000000000000', '.gone-20261120T180900Z-7f3a9c-111111111111']
  const kept = ['.new-run-1-222222222222', '.new-run-1-33', 'run-2', '.new-foreign-444444444444']
  for (const name of [...old, ...kept]) {
    mkdirSync(draft(name), { recursive: true })
    writeFileSync(join(draft(name), 'input-0'), 'secret')
    if (name !== kept[0]) utimesSync(draft(name), 1000, 1000)
  }
  symlinkSync(state, draft('.new-link-555555555555'))
  lutimesSync(draft('.new-link-555555555555'), 1000, 1000)
  const isRoot = process.geteuid?.() === 0
  if (isRoot) chownSync(draft('.new-foreign-444444444444'), 65534, 65534)
  else kept.pop()
  await using _daemon = await startDaemonRig({ config: { runs_state_dir: state } })
  await vi.waitFor(() => expect(old.map(name => existsSync(draft(name)))).toEqual([false, false]), 10_000)
  expect(kept.map(name => existsSync(join(draft(name), 'input-0')))).toEqual(kept.map(() => true))
  expect(existsSync(draft('.new-link-555555555555'))).toBe(true)
  rmSync(state, { recursive: true })
})

describe('a full disk', () => {
  let mounted: string | null = null
  beforeEach(() => {
    const point = mkdtempSync(join(tmpdir(), 'hostlink-small-'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'none', point], { stdio: 'ignore' })
      mounted = point
    } catch {
      rmSync(point, { recursive: true })
      mounted = null
    }
  })
  afterEach(() => {
    if (mounted === null) return
    execFileSync('umount', ['-l', mounted])
    rmSync(mounted, { recursive: true })
  })

  test('under the spool: the command is drained to its end, which is recorded with the reason', async context => {
    if (mounted === null) return context.skip('only root can mount a small disk')
    const small = jobsRig({}, mounted)
    try {
      const info = await small.run({ command: 'head -c 5000000 /dev/zero; echo done >&2; exit 4' })
      expect(info).toMatchObject({
        state: 'exited',
        exit_code: 4,
        stdout_original_bytes: 5_000_000,
        stdout_truncated: true,
        error_msg: 'output was not kept in full: no space left on device',
      })
      const refused = await small.jobs.start({ command: 'true', detach: true } as never, {
        name: 'default',
        policy: { kind: 'full' },
      })
      expect(refused).toEqual({
        status: 'error',
        error_msg: 'the job cannot be kept: no space left on device',
      })
      expect(readdirSync(join(small.folder, 'jobs'))).toHaveLength(1)
    } finally {
      await small.close()
    }
  })

  test('a job that fills the disk can still be cancelled', async context => {
    if (mounted === null) return context.skip('only root can mount a small disk')
    const small = jobsRig({}, mounted)
    try {
      const id = await small.begin({ command: 'head -c 5000000 /dev/zero; echo full >&2; sleep 60' })
      const asked = { action: 'status', job_id: id }
      await until('the disk is full', async () => (await small.ask(asked)).stdout_bytes! > 60_000)
      expect(await small.ask({ action: 'cancel', job_id: id })).toEqual({ status: 'ok', signalled: true })
      expect(await small.ask({ action: 'wait', job_id: id })).toMatchObject({
        state: 'exited',
        exit_code: 143,
      })
    } finally {
      await small.close()
    }
  })

  test('a writer counts what it cannot keep', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hostlink-writer-'))
    const writer = openSpoolWriter(folder, 'stdout', 5)
    writer.write(Buffer.from('abc'))
    writer.write(Buffer.from('defg'))
    writer.write(Buffer.from('h'))
    writer.close()
    expect([readFileSync(join(folder, 'stdout'), 'utf8'), writer.originalBytes, writer.failure]).toEqual([
      'abcde',
      8,
      null,
    ])
    rmSync(folder, { recursive: true })
  })
})
