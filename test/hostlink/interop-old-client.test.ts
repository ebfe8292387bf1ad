/** The existing client against our daemon: what it sends, and the very bytes that its users' scripts take apart. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { oldAsk, oldExec, oldJob, oldPing } from '../rig/old-client.ts'

let daemon: DaemonRig
beforeAll(async () => {
  daemon = await startDaemonRig({ config: { node_name: 'ours', max_timeout_ms: 60_000 } })
})
afterAll(() => daemon.stop())

const exec = (command: string, more = {}) => oldAsk(daemon.socket, oldExec(daemon.token, command, more))
/** Ids and durations aside, whole answers are compared. */
const steady = (text: string) =>
  text
    .replace(/"id":"cli-\d+-\d+"/, '"id":"ID"')
    .replace(/"duration_ms":\d+/, '"duration_ms":N')
    .replace(/"uptime_s":\d+/, '"uptime_s":N')

describe('the existing client is answered as by the existing daemon', () => {
  test('exec: fields and their order, compact', async () => {
    expect(steady((await exec('echo out; echo err >&2; exit 3')).text)).toBe(
      '{"version":1,"id":"ID","node":"ours","status":"ok","exit_code":3,"stdout":"out\\n","stderr":"err\\n",' +
        '"stdout_truncated":false,"stderr_truncated":false,"stdout_original_bytes":4,"stderr_original_bytes":4,' +
        '"duration_ms":N}',
    )
  })
  test('ping begins with what it knows', async () => {
    const { text } = await oldAsk(daemon.socket, oldPing(daemon.token))
    expect(steady(text)).toMatch(/^\{"version":1,"id":"ID","node":"ours","status":"ok","uptime_s":N,/)
  })
  test('the daemon closes after the answer, because nobody asked to keep the connection', async () => {
    expect((await exec('true')).closedByDaemon).toBe(true)
  })
  test('timeout', async () => {
    const { text } = await exec('echo part; sleep 20', { timeout_ms: 200 })
    expect(steady(text)).toMatch(
      /^\{"version":1,"id":"ID","node":"ours","status":"timeout","exit_code":-2,"stdout":"part\\n","stderr":"",/,
    )
    expect(text).not.toContain('error_msg')
  })
  test('clamp: both limits at the end', async () => {
    expect(steady((await exec('true', { timeout_ms: 99_000_000 })).text)).toMatch(
      /"duration_ms":N,"timeout_requested_ms":99000000,"timeout_effective_ms":60000\}$/,
    )
  })
  test('workdir: error_msg straight behind the status', async () => {
    expect(steady((await exec('true', { workdir: '/no/such' })).text)).toMatch(
      /^\{"version":1,"id":"ID","node":"ours","status":"error","error_msg":"workdir not accessible: [^"]+","exit_code":-1/,
    )
  })
  test('limits, variables and directory', async () => {
    const { json } = await exec('echo $A; pwd', { max_stdout_bytes: 4, workdir: '/', env: { A: 'x y' } })
    expect(json).toMatchObject({ stdout: 'x y\n', stdout_truncated: true, stdout_original_bytes: 6 })
  })
  test('files', async () => {
    const { json, text } = await exec('printf "a\\000b"', { output_to_file: true })
    expect(text).toMatch(/"exit_code":0,"stdout_file":"[^"]+","stderr_file":"[^"]+","stdout_truncated":false/)
    expect(String(json['stdout_file'])).toMatch(/\/hl_cli-\d+-\d+_stdout$/)
    expect(await readFile(String(json['stdout_file']))).toEqual(Buffer.from('a\0b'))
  })
  test('wrong token', async () => {
    const { text } = await oldAsk(daemon.socket, oldPing('wrong'))
    expect(text).toBe(
      '{"version":1,"id":"","node":"ours","status":"auth_failed","error_msg":"authentication failed"}',
    )
  })
  test('unknown type', async () => {
    const { text } = await oldAsk(daemon.socket, { ...oldPing(daemon.token), type: 'put_everything' })
    expect(text).toBe(
      '{"version":1,"id":"","node":"ours","status":"bad_request","error_msg":"unknown message type"}',
    )
  })
  test('the wrapper does not show the command to pgrep', async () => {
    const { json } = await exec('pgrep -f MARKER_$((40+2))x || echo none')
    expect(json['stdout']).toBe('none\n')
  })
  test('HOSTLINK_COMMAND is gone for the command and what it starts', async () => {
    const { json } = await exec('echo "[${HOSTLINK_COMMAND:-unset}]"; env | grep -c HOSTLINK_COMMAND')
    expect(json['stdout']).toBe('[unset]\n0\n')
  })
  test('jobs: begun, asked for until done, read, and the id of nobody', async () => {
    const begun = await exec('echo one; exit 5', { detach: true, job_timeout_ms: 60_000 })
    expect(begun.json).toMatchObject({ status: 'ok', detached: true })
    const job_id = String(begun.json['job_id'])
    expect(job_id).toMatch(/^[0-9a-f]{12}$/)
    const ask = (action: string, more = {}) => oldAsk(daemon.socket, oldJob(daemon.token, action, more))
    let status = (await ask('status', { job_id })).json
    for (let tries = 0; !status['done'] && tries < 500; tries += 1) {
      await new Promise(resolve => setTimeout(resolve, 20))
      status = (await ask('status', { job_id })).json
    }
    expect(status).toMatchObject({ job_id, state: 'exited', exit_code: 5, stdout_bytes: 4 })
    expect((await ask('tail', { job_id, stream: 'stdout' })).json).toMatchObject({
      data: 'one\n',
      offset: 0,
      next_offset: 4,
      binary: false,
    })
    expect((await ask('list')).json['jobs']).toMatchObject([{ job_id }])
    expect((await ask('cancel', { job_id, signal: 'TERM' })).json).toMatchObject({ signalled: false })
    expect((await ask('status', { job_id: 'ffffffffffff' })).json).toMatchObject({ status: 'not_found' })
  })
})
