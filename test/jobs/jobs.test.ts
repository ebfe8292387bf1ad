import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Token } from '../../src/hostlink/daemon/policy/policy.ts'
import { findSupervisor } from '../../src/jobs/supervisor.ts'
import {
  asExec,
  full,
  isRunning,
  type JobsRig,
  jobsRig,
  narrow,
  processesWith,
  readIfThere,
  until,
} from './jobs-rig.ts'

let rig: JobsRig
beforeEach(() => {
  rig = jobsRig({ jobMaxSpoolBytes: 1000, maxJobs: 3 })
})
afterEach(() => rig.close())

describe('a supervisor that was begun before there is a job for it', () => {
  const spares = () =>
    processesWith('hostlink-supervise.js\0--spare').filter(pid => parentOf(pid) === process.pid)
  const waiting = async () => {
    rig.jobs.prepare()
    return Number(await until('a spare waits', () => spares()[0]))
  }

  test('looks after the next job as any other does, and there is one of it', async () => {
    const spare = await waiting()
    rig.jobs.prepare()
    expect(spares()).toEqual([spare])
    const id = await rig.begin({ command: 'echo out; sleep 0.2; exit 3' })
    await until('the supervisor shows itself', () => readIfThere(rig.spool(id, 'supervisor')))
    expect(JSON.parse(readIfThere(rig.spool(id, 'supervisor'))).self.pid).toBe(spare)
    expect(await rig.ask({ action: 'wait', job_id: id })).toMatchObject({ state: 'exited', exit_code: 3 })
    expect(readIfThere(rig.spool(id, 'stdout'))).toBe('out\n')
  })

  test('the job has another one when it is gone', async () => {
    const spare = await waiting()
    process.kill(spare, 'SIGKILL')
    await until('it is gone', () => !isRunning(spare))
    // Node, whose child it is, has to have seen that, too.
    await sleep(200)
    expect(await rig.run({ command: 'exit 4' })).toMatchObject({ state: 'exited', exit_code: 4 })
  })

  test('it is told to cancel as any other is', async () => {
    const spare = await waiting()
    const id = await rig.begin({ command: 'sleep 600' })
    await until('the command runs', () => readIfThere(rig.spool(id, 'pid')))
    await rig.ask({ action: 'cancel', job_id: id })
    expect(await rig.ask({ action: 'wait', job_id: id })).toMatchObject({ state: 'exited', exit_code: 143 })
    await until('it is gone', () => !isRunning(spare))
  })

  test('it goes when nobody needed it, and leaves nothing behind', async () => {
    const spare = await waiting()
    rig.jobs.close()
    await until('it is gone', () => !isRunning(spare))
    expect((await rig.ask({ action: 'list' })).jobs).toEqual([])
  })

  test('it goes with the one who began it, who was killed', async () => {
    const owner = spawn(process.execPath, ['-e', OWNER, findSupervisor()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [said] = await once(owner.stdout, 'data')
    const spare = Number(String(said))
    expect(isRunning(spare)).toBe(true)
    owner.kill('SIGKILL')
    await until('it is gone', () => !isRunning(spare))
  })
})

/** Begins one as `supervisor.ts` does, and lives on. */
const OWNER = `
const spare = require('child_process').spawn(process.execPath, [process.argv[1], '--spare'],
  { cwd: '/', detached: true, env: {}, stdio: ['pipe', 'ignore', 'ignore'] })
spare.once('spawn', () => console.log(spare.pid))
setInterval(() => {}, 1000)
`

const parentOf = (pid: number) => Number(/^PPid:\s+(\d+)/m.exec(readIfThere(`/proc/${pid}/status`))?.[1])

describe('a job from beginning to end', () => {
  test('its info has every field of the wire, in order', async () => {
    const before = Math.floor(Date.now() / 1000)
    const { status, ...info } = await rig.run({ command: 'echo out; echo err >&2; exit 3', workdir: '/' })
    expect(status).toBe('ok')
    expect(info).toEqual({
      job_id: expect.stringMatching(/^[0-9a-f]{12}$/),
      state: 'exited',
      done: true,
      command: 'echo out; echo err >&2; exit 3',
      created_at: expect.any(Number),
      ended_at: expect.any(Number),
      exit_code: 3,
      duration_ms: expect.any(Number),
      stdout_bytes: 4,
      stderr_bytes: 4,
      stdout_original_bytes: 4,
      stderr_original_bytes: 4,
      stdout_truncated: false,
      stderr_truncated: false,
      timeout_ms: 86_400_000,
      pid: expect.any(Number),
      workdir: '/',
    })
    expect(Object.keys(info)).toEqual(
      'job_id state done command created_at ended_at exit_code duration_ms stdout_bytes stderr_bytes stdout_original_bytes stderr_original_bytes stdout_truncated stderr_truncated timeout_ms pid workdir'.split(
        ' ',
      ),
    )
    expect(info.created_at).toBeGreaterThanOrEqual(before)
    expect(info.pid).toBeGreaterThan(1)
    expect(info.ended_at).toBeGreaterThanOrEqual(info.created_at!)
  })

  test('the answer to its beginning', async () => {
    const answer = await rig.jobs.start(asExec({ command: 'true', job_timeout_ms: 700_000_000 }), full)
    expect(answer).toMatchObject({ status: 'ok', detached: true, timeout_requested_ms: 700_000_000 })
    expect(answer.timeout_effective_ms).toBe(604_800_000)
  })

  test('argv runs without a shell, shell text runs in one', async () => {
    const words = await rig.run({ argv: ['printf', '%s|', '$HOME', "it's"] })
    expect(words.command).toBe(`printf '%s|' '$HOME' 'it'\\''s'`)
    expect(readFileSync(rig.spool(words.job_id!, 'stdout'), 'utf8')).toBe("$HOME|it's|")
    const text = await rig.run({ command: 'echo "$((1+1))"; env | grep -c HOSTLINK' })
    expect(readFileSync(rig.spool(text.job_id!, 'stdout'), 'utf8')).toBe('2\n0\n')
  })

  test('a signal ends it: 128+N', async () => {
    expect(await rig.run({ command: 'kill -USR1 $$' })).toMatchObject({ state: 'exited', exit_code: 138 })
  })

  test('a program that is not there: 127', async () => {
    const info = await rig.run({ argv: ['no-such-program'] })
    expect(info).toMatchObject({ state: 'exited', exit_code: 127 })
    expect(info.error_msg).toBe('no-such-program: No such file or directory')
  })

  test.each([
    ['/no/such/folder', 'No such file or directory'],
    ['/etc/passwd', 'Not a directory'],
  ])('a bad workdir %s ends it as an error, never as starting for ever', async (workdir, reason) => {
    const info = await rig.run({ command: 'echo never', workdir })
    expect(info).toMatchObject({ state: 'error', done: true, exit_code: -1 })
    expect(info.error_msg).toBe(`workdir not accessible: ${reason}`)
  })

  test('folder 0700, files 0600, and nothing of the work is left behind', async () => {
    const { job_id } = await rig.run({ command: 'umask; echo x' })
    expect(statSync(rig.spool(job_id!)).mode & 0o777).toBe(0o700)
    const names = readdirSync(rig.spool(job_id!)).sort()
    expect(names).toEqual(['command', 'created', 'meta', 'pid', 'status', 'stderr', 'stdout', 'supervisor'])
    for (const name of names) expect(statSync(rig.spool(job_id!, name)).mode & 0o777).toBe(0o600)
    expect(readFileSync(rig.spool(job_id!, 'stdout'), 'utf8')).toBe('0022\nx\n')
  })

  test('neither command text nor environment are in the arguments of any process, nor secrets on disk', async () => {
    const secret = randomUUID()
    const env = { PASSWORD: secret }
    const id = await rig.begin({ command: `true ${secret} || :; read x < /dev/null; sleep 30`, env })
    await until('it runs', async () => (await rig.ask({ action: 'status', job_id: id })).state === 'running')
    expect(processesWith(secret)).toEqual([])
    for (const name of readdirSync(rig.spool(id))) {
      if (name !== 'command') expect(readIfThere(rig.spool(id, name))).not.toContain(secret)
    }
  })
})

describe('limits', () => {
  test('each stream keeps its first bytes while the rest is drained and counted', async () => {
    const info = await rig.run({ command: 'head -c 3000000 /dev/zero; head -c 1000 /dev/zero >&2' })
    expect(info).toMatchObject({
      exit_code: 0,
      stdout_bytes: 1000,
      stdout_original_bytes: 3_000_000,
      stdout_truncated: true,
      stderr_bytes: 1000,
      stderr_original_bytes: 1000,
      stderr_truncated: false,
    })
  })

  test('at its timeout everything that descends from it ends, whatever it does about TERM', async () => {
    const command = `trap '' TERM; (trap '' TERM; setsid sleep 987 & echo $!; sleep 987) & echo $!; wait`
    const info = await rig.run({ command, job_timeout_ms: 300 })
    expect(info).toMatchObject({ state: 'timeout', exit_code: -2, timeout_ms: 300 })
    expect(info.error_msg).toBeUndefined()
    const pids = readFileSync(rig.spool(info.job_id!, 'stdout'), 'utf8').trim().split('\n').map(Number)
    expect(pids).toHaveLength(2)
    await until('they are gone', () => !pids.some(isRunning))
  })

  test('more than max_jobs at once are refused, and a place is free again when one has ended', async () => {
    const ids = await Promise.all([1, 2, 3].map(() => rig.begin({ command: 'sleep 60' })))
    const many = await Promise.all([1, 2, 3].map(() => rig.jobs.start(asExec({ command: 'true' }), full)))
    for (const answer of many) {
      expect(answer).toEqual({ status: 'error', error_msg: 'too many jobs running (max 3)' })
    }
    await rig.ask({ action: 'cancel', job_id: ids[0], signal: 'KILL' })
    await rig.ask({ action: 'wait', job_id: ids[0] })
    expect((await rig.run({ command: 'true' })).exit_code).toBe(0)
    expect((await rig.ask({ action: 'list' })).jobs).toHaveLength(4)
  })

  test('of a token with a limit of its own no more than that, while others still find a place', async () => {
    const agent: Token = { name: 'agent', policy: { kind: 'deny' } }
    const begin = () => rig.jobs.start(asExec({ command: 'sleep 60' }), agent, { ofToken: 1 })
    const both = await Promise.all([begin(), begin()])
    expect(both.map(({ status }) => status).sort()).toEqual(['error', 'ok'])
    expect(both).toContainEqual({ status: 'error', error_msg: 'too many jobs running (max 1)' })
    await rig.begin({ command: 'sleep 60' })
    const [first] = both.flatMap(({ job_id }) => job_id ?? [])
    for (const request of [{ action: 'cancel', signal: 'KILL' }, { action: 'wait' }])
      await rig.ask({ ...request, job_id: first }, agent)
    expect((await begin()).status).toBe('ok')
  })
})

describe('cancel', () => {
  test('right after it was begun: the command does not run on, and the end is told', async () => {
    const id = await rig.begin({ command: 'sleep 60' })
    expect(await rig.ask({ action: 'cancel', job_id: id })).toEqual({ status: 'ok', signalled: true })
    const info = await rig.ask({ action: 'wait', job_id: id })
    expect(info).toMatchObject({ done: true, error_msg: 'cancelled' })
    expect(['error', 'exited']).toContain(info.state)
  })

  test.each(['TERM', 'KILL', 'SIGTERM'])('%s ends the whole tree', async signal => {
    const id = await rig.begin({ command: 'sleep 654 & echo $!; setsid sleep 654 & echo $!; wait' })
    const pids = await until('it says its children', () => {
      const lines = readIfThere(rig.spool(id, 'stdout')).trim().split('\n')
      return lines.length === 2 ? lines.map(Number) : null
    })
    expect(await rig.ask({ action: 'cancel', job_id: id, signal })).toEqual({ status: 'ok', signalled: true })
    const code = signal === 'KILL' ? 137 : 143
    expect(await rig.ask({ action: 'wait', job_id: id })).toMatchObject({ state: 'exited', exit_code: code })
    expect(pids!.some(isRunning)).toBe(false)
    expect(await rig.ask({ action: 'cancel', job_id: id })).toEqual({ status: 'ok', signalled: false })
  })

  test('other signals and other jobs', async () => {
    const id = await rig.begin({ command: 'sleep 60' })
    expect(await rig.ask({ action: 'cancel', job_id: id, signal: 'HUP' })).toEqual({
      status: 'bad_request',
      error_msg: 'signal: is neither TERM nor KILL',
    })
    expect(await rig.ask({ action: 'cancel', job_id: '000000000000' })).toEqual({
      status: 'not_found',
      error_msg: 'no such job: 000000000000',
    })
  })
})

describe('key', () => {
  test('of many at the same moment, over two daemons, one starts it', async () => {
    const other = rig.open()
    const marks = join(rig.folder, 'marks')
    const fields = { command: `echo once >> ${marks}`, key: 'deploy-7' }
    const starts = [rig.jobs, other, rig.jobs, other].map(jobs => jobs.start(asExec(fields), full))
    const answers = await Promise.all(starts)
    expect(new Set(answers.map(answer => answer.job_id)).size).toBe(1)
    expect(answers.filter(answer => answer.attached !== true)).toHaveLength(1)
    await rig.ask({ action: 'wait', job_id: answers[0]!.job_id })
    // Over a restart as well.
    rig.jobs.close()
    const again = await rig.open().start(asExec(fields), full)
    expect(again).toMatchObject({ status: 'ok', attached: true, job_id: answers[0]!.job_id })
    expect(readFileSync(marks, 'utf8')).toBe('once\n')
  })

  test('with another command it is refused, with another token it is another job', async () => {
    const id = await rig.begin({ command: 'true', key: 'k' })
    for (const fields of [{ command: 'false' }, { argv: ['true'] }, { command: 'true', workdir: '/' }]) {
      expect(await rig.jobs.start(asExec({ ...fields, key: 'k' }), full)).toEqual({
        status: 'bad_request',
        error_msg: 'key was used for another command',
      })
    }
    expect(await rig.begin({ command: 'true', key: 'k' }, narrow('ci'))).not.toBe(id)
  })

  test('an attaching request needs no place of its own', async () => {
    await Promise.all([1, 2].map(() => rig.begin({ command: 'sleep 60' })))
    const id = await rig.begin({ command: 'sleep 60', key: 'k' })
    expect(await rig.begin({ command: 'sleep 60', key: 'k' })).toBe(id)
  })
})

describe('whose it is', () => {
  test('a job belongs to its token; full sees all', async () => {
    const id = await rig.begin({ command: 'sleep 60' }, narrow('ci'))
    for (const action of ['status', 'tail', 'wait', 'cancel']) {
      expect((await rig.ask({ action, job_id: id }, narrow('other'))).status).toBe('not_found')
    }
    expect((await rig.ask({ action: 'list' }, narrow('other'))).jobs).toEqual([])
    expect((await rig.ask({ action: 'list' }, narrow('ci'))).jobs).toHaveLength(1)
    expect((await rig.ask({ action: 'status', job_id: id })).status).toBe('ok')
  })

  test('the list is in the order of beginning and cuts long commands, the status does not', async () => {
    const long = `: ${'x'.repeat(5000)}`
    const ids = [await rig.begin({ command: long }), await rig.begin({ command: 'true' })]
    const { jobs } = await rig.ask({ action: 'list' })
    expect(jobs!.map(job => job.job_id)).toEqual(ids)
    expect(jobs![0]!.command).toHaveLength(1025)
    expect((await rig.ask({ action: 'status', job_id: ids[0] })).command).toBe(long)
  })
})

describe('tail', () => {
  const write = (id: string, text: string | Buffer) =>
    writeFileSync(rig.spool(id, 'stdout'), text, { flag: 'a' })

  test('is text where it is text, in whole characters, and base64 where it is not', async () => {
    const { job_id } = await rig.run({ command: `printf 'aä☃'; printf '\\377\\000' >&2` })
    const chunk = (fields: object) => rig.ask({ action: 'tail', job_id, ...fields })
    expect(await chunk({})).toEqual({
      status: 'ok',
      data: 'aä☃',
      offset: 0,
      next_offset: 6,
      binary: false,
      state: 'exited',
      done: true,
    })
    expect(await chunk({ max_bytes: 5 })).toMatchObject({ data: 'aä', next_offset: 3 })
    expect(await chunk({ offset: 3, max_bytes: 1 })).toMatchObject({ data: '☃', next_offset: 6 })
    expect(await chunk({ offset: 4 })).toMatchObject({
      data: Buffer.from('☃').subarray(1).toString('base64'),
      binary: true,
    })
    expect(await chunk({ offset: 99 })).toMatchObject({ data: '', offset: 99, next_offset: 99, done: true })
    expect(await chunk({ stream: 'stderr' })).toMatchObject({ data: '/wA=', binary: true, next_offset: 2 })
  })

  test('waits for data, and a character that is cut is waited for too', async () => {
    const id = await rig.begin({ command: 'sleep 60' })
    await until('it runs', async () => (await rig.ask({ action: 'status', job_id: id })).state === 'running')
    const waiting = rig.ask({ action: 'tail', job_id: id, wait_ms: 60_000 })
    write(id, Buffer.from('☃').subarray(0, 2))
    expect(await rig.ask({ action: 'tail', job_id: id })).toMatchObject({
      data: '',
      next_offset: 0,
      done: false,
    })
    write(id, Buffer.from('☃').subarray(2))
    expect(await waiting).toMatchObject({ data: '☃', next_offset: 3, state: 'running' })
  })

  test('a wait ends with the job, at its limit, and when nobody is left to hear', async () => {
    const id = await rig.begin({ command: 'sleep 60' })
    expect(await rig.ask({ action: 'tail', job_id: id, wait_ms: 50 })).toMatchObject({
      data: '',
      done: false,
    })
    expect(await rig.ask({ action: 'wait', job_id: id, timeout_ms: 50 })).toMatchObject({ done: false })
    const gone = new AbortController()
    const waiting = rig.jobs.handle({ action: 'wait', job_id: id, timeout_ms: undefined }, full, gone.signal)
    gone.abort()
    expect(await waiting).toMatchObject({ done: false })
    const tail = rig.ask({ action: 'tail', job_id: id, wait_ms: 60_000 })
    await rig.ask({ action: 'cancel', job_id: id })
    expect(await tail).toMatchObject({ data: '', done: true })
  })

  test('hundreds wait at once', async () => {
    const id = await rig.begin({ command: 'sleep 60' })
    const waiting = Array.from({ length: 400 }, () => rig.ask({ action: 'wait', job_id: id }))
    await rig.ask({ action: 'cancel', job_id: id, signal: 'KILL' })
    const infos = await Promise.all(waiting)
    expect(infos.every(info => info.done)).toBe(true)
  })
})
