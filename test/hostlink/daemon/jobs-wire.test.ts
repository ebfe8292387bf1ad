import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { askOnce } from '../../rig/ask.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { until } from '../../rig/observe.ts'

let folder: string
let daemons: DaemonRig[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostlink-wire-'))
  daemons = []
})
afterEach(async () => {
  for (const daemon of daemons) await daemon.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function start(config: Record<string, string> = {}): Promise<DaemonRig> {
  const daemon = await startDaemonRig({ config: { output_tmpdir: join(folder, 'out'), ...config } })
  daemons.push(daemon)
  return daemon
}

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'a job survives the %s of its daemon, and its key still holds',
  async signal => {
    const first = await start()
    const marks = join(folder, 'marks')
    const fields = {
      type: 'exec',
      detach: true,
      key: 'once',
      command: `echo once >> ${marks}; sleep 1; echo end`,
    }
    const begun = await askOnce(first, fields)
    expect(begun).toMatchObject({ status: 'ok', detached: true })
    first.signal(signal)
    await first.ended

    const second = await start()
    const job = { type: 'job', job_id: begun['job_id'] }
    expect(await askOnce(second, fields)).toMatchObject({ job_id: begun['job_id'], attached: true })
    expect(await askOnce(second, { ...job, action: 'wait' })).toMatchObject({ state: 'exited', exit_code: 0 })
    expect(await askOnce(second, { ...job, action: 'tail' })).toMatchObject({ data: 'end\n', done: true })
    expect(readFileSync(marks, 'utf8')).toBe('once\n')
  },
)

test('a token with an allowlist may do what its rules say, its jobs are its own, and all of it is in the audit log', async () => {
  const token = 'narrow-token-0123456789'
  writeFileSync(join(folder, 'agent'), `${token}\n`, { mode: 0o600 })
  const policy = join(folder, 'policy.yaml')
  writeFileSync(
    policy,
    `tokens:\n  agent: { token_file: ${folder}/agent, policy: allowlist, allow: [{ argv: [echo, "{name}"] }] }\n`,
  )
  const daemon = await start({ policy_file: policy })
  const ask = (message: object) => askOnce({ socket: daemon.socket, token }, message)

  expect(await ask({ type: 'ping' })).toMatchObject({ token_name: 'agent', policy: 'allowlist' })
  expect(await ask({ type: 'exec', argv: ['echo', 'x'] })).toMatchObject({ status: 'ok', stdout: 'x\n' })
  expect(await ask({ type: 'exec', command: 'echo x' })).toMatchObject({
    status: 'denied',
    error_msg: 'allowlist of token agent: shell text is never allowed, only argv',
  })
  expect(await ask({ type: 'exec', argv: ['echo', 'x'], detach: true, env: { PATH: '/tmp' } })).toMatchObject(
    {
      status: 'denied',
      error_msg: 'policy.yaml:2: the variable PATH is not named by the rule',
    },
  )
  const foreign = await askOnce(daemon, { type: 'exec', command: 'true', detach: true })
  const info = { type: 'job', action: 'status', job_id: foreign['job_id'] }
  expect((await ask(info)).status).toBe('not_found')
  expect((await askOnce(daemon, info)).status).toBe('ok')

  await daemon.stop()
  const lines = readFileSync(join(folder, 'out/audit.ndjson'), 'utf8').trim().split('\n')
  const entries = lines.map(line => JSON.parse(line))
  expect(entries.map(({ token, type, verdict }) => `${token} ${type} ${verdict}`)).toEqual([
    'agent ping allowed',
    'agent exec allowed',
    'agent exec denied',
    'agent exec denied',
    'default exec allowed',
    'agent job allowed',
    'default job allowed',
  ])
  expect(lines.join()).not.toContain(token)
})

test('a rule that is bound to a folder runs the command there, under the folder’s real name', async () => {
  const token = 'narrow-token-0123456789'
  writeFileSync(join(folder, 'agent'), `${token}\n`, { mode: 0o600 })
  const policy = join(folder, 'policy.yaml')
  const inside = realpathSync(mkdtempSync(join(folder, 'inside-')))
  const rule = `{ argv: [pwd], workdir: ${inside} }`
  writeFileSync(
    policy,
    `tokens:\n  agent: { token_file: ${folder}/agent, policy: allowlist, allow: [${rule}] }\n`,
  )
  symlinkSync(inside, join(folder, 'link'))
  const daemon = await start({ policy_file: policy })
  const ask = (message: object) => askOnce({ socket: daemon.socket, token }, message)
  const begun = await ask({ type: 'exec', argv: ['pwd'], workdir: join(folder, 'link'), detach: true })
  expect(begun.status).toBe('ok')
  const info = await ask({ type: 'job', action: 'wait', job_id: begun['job_id'] })
  expect(info).toMatchObject({ exit_code: 0, workdir: inside })
  expect(await ask({ type: 'exec', argv: ['pwd'], workdir: folder })).toMatchObject({ status: 'denied' })
})

test('running commands belong to their token: no other one cancels them or attaches to their key', async () => {
  const token = 'narrow-token-0123456789'
  writeFileSync(join(folder, 'agent'), `${token}\n`, { mode: 0o600 })
  const policy = join(folder, 'policy.yaml')
  writeFileSync(
    policy,
    `tokens:\n  agent: { token_file: ${folder}/agent, policy: allowlist, allow: [{ argv: [sleep, "{int}"] }] }\n`,
  )
  const daemon = await start({ policy_file: policy })
  const other = { socket: daemon.socket, token }
  const mark = join(folder, 'begun')
  const running = askOnce(daemon, { type: 'exec', id: 'mine', key: 'k', command: `touch ${mark}; sleep 30` })
  await until('it runs', () => existsSync(mark))
  expect(await askOnce(other, { type: 'cancel', target_id: 'mine' })).toMatchObject({ cancelled: false })
  expect(await askOnce(other, { type: 'cancel', key: 'k' })).toMatchObject({ cancelled: false })
  const own = await askOnce(other, { type: 'exec', key: 'k', argv: ['sleep', '0'] })
  expect(own).toMatchObject({ status: 'ok', exit_code: 0 })
  expect(own['attached']).toBeUndefined()
  expect(await askOnce(daemon, { type: 'cancel', target_id: 'mine' })).toMatchObject({ cancelled: true })
  expect(await running).toMatchObject({ status: 'error', cancelled: true })
})
