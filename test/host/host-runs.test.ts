/** What a daemon asks its jobs for, run by run: real folders, and jobs that only write down what is asked of them. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AroundRuns } from '../../src/host/around-runs.ts'
import { openHostRunStore } from '../../src/host/request-store.ts'
import { openHostRuns } from '../../src/host/service.ts'
import { startOnHost } from '../../src/host/start-on-host.ts'
import type { Token } from '../../src/hostlink/daemon/policy/policy.ts'
import type { HostRunsOptions } from '../../src/hostlink/daemon/run-service.ts'
import type { RunRequest, RunStart } from '../../src/hostlink/messages.ts'
import type { JobStart, Owner } from '../../src/jobs/job-info.ts'
import { noteSelf } from '../../src/process/identity.ts'

let root: string
let keys: string[]
let most: object | undefined
let jobIsDone: boolean
/** What the last of them runs, behind the program's name. */
let words: string[]
/** What jobs answer to a start. */
let answer: () => object
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hostops-host-runs-'))
  keys = []
  jobIsDone = true
  answer = () => ({ status: 'ok', job_id: `job-${keys.length}` })
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const owner: Token = { name: 't', policy: { kind: 'full' } as Token['policy'] }
const stranger: Token = { name: 'other', policy: { kind: 'playbooks' } as Token['policy'] }

function open() {
  const quiet = () => {}
  return openHostRuns({
    config: () => ({
      hostopsCommand: '/bin/true',
      runsStateDir: root,
      playbooksDir: join(root, 'playbooks'),
      jobMaxTimeoutMs: 1000,
      maxJobs: 64,
      envAllow: [],
    }),
    log: { error: quiet, warn: quiet, info: quiet, debug: quiet },
    jobs: {
      start: async ({ key, command }: JobStart, _owner: Owner, mostPlaces?: object) => {
        keys.push(key!)
        most = mostPlaces
        words = [...command.args]
        return answer()
      },
      handle: async () => ({ status: 'ok', done: jobIsDone, data: '' }),
    },
    hostEnv: {},
  } as unknown as HostRunsOptions)
}

const ask = (request: object, token = owner) =>
  open().handle(request as RunRequest, token, () => ({ allowed: true }), new AbortController().signal)

/** The engine's folder of a run whose runner has ended. */
function ended(outcome: string) {
  const folder = join(root, 'runs', 'r')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ runId: 'r', pid: 4_194_000, exitCode: 0 }))
  writeFileSync(join(folder, 'report.json'), JSON.stringify({ outcome }))
}

const start = { type: 'run', action: 'start', run_id: 'r', playbook: { text: 'x' }, inputs: {} }
const resume = { type: 'run', action: 'resume', run_id: 'r', attempt: 'first' }

test('asked for by two at the same moment, a run is one job', async () => {
  const answers = await Promise.all([ask(start), ask(start)])
  expect(answers.map(({ status }) => status)).toEqual(['ok', 'ok'])
  expect(new Set(keys)).toEqual(new Set(['run/r']))
})

test('all that a run may be asked for with is told to its program, and so it is when somebody goes on with it', async () => {
  const options = {
    allow_dirty: true,
    rollback: false,
    check: true,
    timeout: '5m',
    wait_lock: '1m',
    plan: 'f00',
  }
  await ask({ ...start, target: 'hostlink:x', options, input_texts: { ref: 'v2' } })
  const inRequest = (name: string) => join(root, 'requests', 'r', name)
  expect(words).toEqual([
    ...[
      'run',
      inRequest('playbook.yaml'),
      '--run-id',
      'r',
      '--target',
      'local',
      '--output',
      'json',
      '--as-host',
    ],
    ...['--caller', '{"by":{"kind":"token","name":"t"},"target":"hostlink:x"}'],
    ...['--inputs', inRequest('inputs.json'), '-i', `ref=@${inRequest('input-0')}`],
    ...['--allow-dirty', '--no-rollback', '--check', '--timeout', '5m', '--wait-lock', '1m', '--plan', 'f00'],
  ])
  for (const action of ['resume', 'rollback']) {
    await ask({ ...resume, action, options: { assume: 'done', wait_lock: '2m' } })
    expect(words).toEqual([
      ...[action, 'r', '--as-host', '--output', 'json', '--caller', '{"by":{"kind":"token","name":"t"}}'],
      ...['--inputs', inRequest('values.json')],
      ...['--assume', 'done', '--wait-lock', '2m'],
    ])
  }
})

test('one that could not be started may be asked for again, with other words', async () => {
  answer = () => ({ status: 'error', error_msg: 'no room' })
  expect(await ask(start)).toMatchObject({ status: 'error', error_msg: 'no room' })
  answer = () => ({ status: 'ok', job_id: 'job' })
  expect(await ask({ ...start, playbook: { text: 'y' } })).toMatchObject({ status: 'ok', attached: false })
})

test('who goes on with it and asks again, because the answer was lost, is one job; another attempt is another', async () => {
  await ask(start)
  await ask(resume)
  await ask(resume)
  await ask({ ...resume, attempt: 'second' })
  expect(keys.slice(1)).toEqual(['run/r/resume/first', 'run/r/resume/first', 'run/r/resume/second'])
})

test('the runs of others do not push those of a token out of its list', async () => {
  const head = (runId: string) => ({
    runId,
    pid: 4_194_000,
    exitCode: 0,
    startedAt: runId === 'r' ? '1' : '2',
  })
  mkdirSync(join(root, 'requests', 'r'), { recursive: true })
  const request = { token: 'other', identity: 'x', playbook: 'p', argv: [], created_ms: 1 }
  writeFileSync(join(root, 'requests', 'r', 'request.json'), JSON.stringify(request))
  for (const id of ['r', ...Array.from({ length: 250 }, (_, at) => `theirs-${at}`)]) {
    mkdirSync(join(root, 'runs', id), { recursive: true })
    writeFileSync(join(root, 'runs', id, 'run.json'), JSON.stringify(head(id)))
  }
  expect(await ask({ action: 'list' }, stranger)).toMatchObject({ runs: [{ runId: 'r' }] })
  expect((await ask({ action: 'list' }))['runs']).toHaveLength(200)
})

test('the waits of a token with a policy have places, and the owner needs none', async () => {
  await ask(start, stranger)
  mkdirSync(join(root, 'runs', 'r'), { recursive: true })
  const { pid, started, boot } = noteSelf()
  writeFileSync(
    join(root, 'runs', 'r', 'run.json'),
    JSON.stringify({ runId: 'r', pid, pidStarted: started, boot }),
  )
  const wait = { action: 'wait', run_id: 'r', timeout_ms: 500 }
  const all = Array.from({ length: 64 }, () => ask(wait, stranger))
  const more = { status: 'error', error_msg: expect.stringMatching(/^server busy/) }
  expect(await ask(wait, stranger)).toMatchObject(more)
  expect(await ask({ action: 'journal', run_id: 'r', wait_ms: 1 }, stranger)).toMatchObject(more)
  expect(await ask({ ...wait, timeout_ms: 1 })).toMatchObject({ status: 'ok', done: false })
  for (const answer of await Promise.all(all)) expect(answer).toMatchObject({ status: 'ok', done: false })
  expect(await ask({ ...wait, timeout_ms: 1 }, stranger)).toMatchObject({ status: 'ok', done: false })
})

test('nobody goes on with a run of another token', async () => {
  await ask(start)
  expect(await ask(resume, stranger)).toMatchObject({ status: 'not_found' })
  expect(keys).toEqual(['run/r'])
})

test('what is asked for beside a runner that lives is not what the run is followed by', async () => {
  await ask(start)
  mkdirSync(join(root, 'runs', 'r'), { recursive: true })
  const { pid, started, boot } = noteSelf()
  writeFileSync(
    join(root, 'runs', 'r', 'run.json'),
    JSON.stringify({ runId: 'r', pid, pidStarted: started, boot }),
  )
  const job = () => readFileSync(join(root, 'requests', 'r', 'job'), 'utf8').trim()
  expect(await ask(resume)).toMatchObject({ status: 'ok', job_id: 'job-2' })
  expect(job()).toBe('job-1')
  rmSync(join(root, 'runs', 'r', 'run.json'))
  expect(await ask({ ...resume, attempt: 'second' })).toMatchObject({ status: 'ok', job_id: 'job-3' })
  expect(job()).toBe('job-3')
})

test('a run that nothing came of but being told what was wrong leaves its id to who mends that', async () => {
  const folder = join(root, 'runs', 'r')
  const mended = { ...start, inputs: { a: 1 } }
  await ask(start)
  ended('invalid')
  // The same again has the same answer, and somebody else has no part in it.
  expect(await ask(start)).toMatchObject({ status: 'ok', attached: true, job_id: 'job-1' })
  expect(await ask(mended, stranger)).toMatchObject({ status: 'bad_request' })
  expect(await ask(mended)).toMatchObject({ status: 'ok', attached: false, job_id: 'job-2' })
  expect(readdirSync(folder.slice(0, -2))).toEqual([])
  expect(keys).toEqual(['run/r', expect.stringMatching(/^run\/r\/again\/[0-9a-f]{16}$/)])
  expect(await ask(mended)).toMatchObject({ attached: true, job_id: 'job-2' })
  for (const outcome of ['succeeded', 'refused', 'unknown']) {
    ended(outcome)
    expect(await ask({ ...start, inputs: { a: 2 } }), outcome).toMatchObject({ status: 'bad_request' })
  }
  ended('invalid')
  writeFileSync(join(folder, 'journal.ndjson'), '')
  expect(await ask({ ...start, inputs: { a: 2 } })).toMatchObject({ status: 'bad_request' })
})

test('an installed playbook that was mended is another one', async () => {
  const playbook = join(root, 'playbooks', 'p.yaml')
  mkdirSync(join(root, 'playbooks'))
  const byName = { ...start, playbook: { name: 'p' }, inputs: { a: 1 } }
  writeFileSync(playbook, 'wrong')
  await ask(byName)
  ended('invalid')
  expect(await ask(byName)).toMatchObject({ attached: true })
  writeFileSync(playbook, 'right')
  expect(await ask(byName)).toMatchObject({ attached: false })
})

test('the end of the mistake is not taken for that of the run that came after it', async () => {
  await ask(start)
  ended('invalid')
  const again = new Map<string, string | null>()
  const seen: unknown[] = []
  const startJob = async () => {
    seen.push(again.get('r'))
    return { status: 'ok', job_id: 'job-2' }
  }
  const quiet = () => {}
  const jobs = { handle: async () => ({ status: 'ok', done: true }) }
  const store = openHostRunStore(root)
  const by = () => ({ kind: 'token', name: 't' })
  const around = { store, stateDir: root, startJob, jobs, by, again, log: { info: quiet } }
  const mended = { ...start, inputs: { a: 1 } } as unknown as RunStart
  await startOnHost(mended, null, {}, owner, around as unknown as AroundRuns)
  expect([...seen, again.get('r')]).toEqual([null, 'job-2'])
})

test('who may do nothing but run playbooks takes a few of the places for jobs, not all of them', async () => {
  await ask(start)
  expect(most).toEqual({})
  await ask({ ...start, run_id: 'q' }, stranger)
  expect(most).toEqual({ ofToken: 8, ofAll: 48 })
})

test('a report that is asked for while the runner starts waits for it, and does not say that there is none', async () => {
  await ask(start)
  jobIsDone = false
  const report = ask({ type: 'run', action: 'report', run_id: 'r' })
  await new Promise(resolve => setTimeout(resolve, 100))
  ended('succeeded')
  expect(await report).toMatchObject({ status: 'ok', run_id: 'r', run_status: 'settled', exit_code: 0 })
})

test('a token with a policy starts no playbook whose caller chooses what runs as root, and the owner does', async () => {
  const checkout = { uses: 'git.checkout', with: { ref: '${{ inputs.ref }}' } }
  const guard = { uses: 'compose.guard', with: { ref: '${{ inputs.ref }}' } }
  const install = (name: string, ...steps: object[]) =>
    writeFileSync(
      join(root, 'playbooks', `${name}.yaml`),
      JSON.stringify({
        hostops: 1,
        name,
        inputs: { ref: { type: 'ref' } },
        steps: [...steps, { uses: 'compose.up' }],
      }),
    )
  mkdirSync(join(root, 'playbooks'))
  install('open', checkout)
  install('guarded', guard, checkout)
  const asked = (name: string, token: Token) =>
    ask({ ...start, run_id: `${name}-${token.name}`, playbook: { name } }, token)
  expect(await asked('open', stranger)).toMatchObject({
    status: 'denied',
    error_msg: expect.stringContaining('no compose.guard before it judges what compose.up starts'),
  })
  expect(keys).toEqual([])
  expect(await asked('open', owner)).toMatchObject({ status: 'ok' })
  expect(await asked('guarded', stranger)).toMatchObject({ status: 'ok' })
})
