/** What a daemon does about runs that it finds: real folders, and jobs that only write down what is asked of them. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AroundRuns } from '../../src/host/context.ts'
import { goOnWaiting } from '../../src/host/recovery.ts'
import { openHostRunStore } from '../../src/host/store.ts'
import { bootId } from '../../src/process/identity.ts'
import { readProcessStat } from '../../src/process/stat.ts'
import { runsHere } from '../../src/runs/runs-here.ts'
import { until } from '../rig/observe.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hostops-host-runs-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

type Entry = { type: string; id?: string; failure?: object | null; tolerated?: boolean }
const WAITS: Entry[] = [
  { type: 'step-started', id: 'sure' },
  { type: 'confirm-awaited', id: 'sure' },
]
/** The time was over, and nobody had confirmed it. */
const MISSED: Entry[] = [
  ...WAITS,
  { type: 'step-finished', id: 'sure', failure: { code: 'approval-denied' }, tolerated: false },
]
const DEAD = { pid: 4_194_000, pidStarted: '1' }
const ME = { pid: process.pid, pidStarted: readProcessStat(process.pid)?.started ?? null }

const line = (entry: Entry, at: number) => `${JSON.stringify({ v: 1, seq: at + 1, ...entry })}\n`

/** A run with its request, as an earlier daemon and its runner have left it. */
async function leave(id: string, journal: Entry[] | null, left: { head?: object; report?: object } = {}) {
  const request = { token: 't', identity: 'i', playbook: 'p', argv: ['run'], created_ms: 1 }
  const files = { 'request.json': JSON.stringify(request), 'inputs.json': '{}', 'values.json': '{"key":"k"}' }
  await openHostRunStore(root).create(id, request, files)
  openHostRunStore(root).setJob(id, `job-of-${id}`)
  if (journal === null) return
  const folder = join(root, 'runs', id)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'journal.ndjson'), journal.map(line).join(''))
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ runId: id, ...(left.head ?? DEAD) }))
  if (left.report) writeFileSync(join(folder, 'report.json'), JSON.stringify(left.report))
}

/** After some rounds: the keys of the jobs that were started, and what was said. */
async function found({ runs = [] as string[], again = new Map<string, string | null>() } = {}) {
  const store = openHostRunStore(root)
  const keys: string[] = []
  const said: string[] = []
  let rounds = 0
  const say = (text: string) => void said.push(text)
  const around = {
    log: { error: say, warn: say, info: say, debug: say },
    stateDir: root,
    runs: runsHere(root),
    again,
    store: {
      ...store,
      ids: () => {
        rounds += 1
        return store.ids()
      },
    },
    jobs: {
      handle: async ({ job_id }: { job_id: string }) => ({ status: 'ok', done: !runs.includes(job_id) }),
    },
    startJob: async (_token: string, key: string) => {
      keys.push(key)
      return { status: 'ok', job_id: `job-${keys.length}` }
    },
  } as unknown as AroundRuns
  const recovery = goOnWaiting(around, 5)
  await until('it has looked some times', () => rounds > 3)
  recovery.stop()
  return { keys, said: said.join('\n'), store }
}

const values = (id: string) =>
  readdirSync(join(root, 'requests', id)).filter(name => /^(values|inputs)/.test(name))

describe('a run that waits for a confirmation', () => {
  test('goes on when its runner is dead, once, as the one after the job before', async () => {
    await leave('r', WAITS)
    const { keys, store } = await found()
    expect(keys[0]).toBe('run/r/after/job-of-r')
    expect(store.job('r')).toMatch(/^job-\d+$/)
    // Another daemon that had seen the same would have asked for the same key.
    expect(new Set(keys).size).toBe(keys.length)
  })
  test.each<[string, Parameters<typeof leave>[2], string[]]>([
    ['whose runner lives, begun by hand beside a job that has ended', { head: ME }, []],
    [
      'whose runner may live in another container, where its number tells nothing',
      { head: { ...DEAD, boot: bootId(), machine: 'elsewhere', pids: 'pid:[1]' } },
      [],
    ],
    ['whose job has not ended, though its runner is not there yet', {}, ['job-of-r']],
    ['that has ended', { report: { outcome: 'rolled-back' } }, []],
  ])('is left alone: one %s', async (_, left, runs) => {
    await leave('r', WAITS, left)
    expect(await found({ runs })).toMatchObject({ keys: [], said: '' })
  })
  test.each<[string, Entry[]]>([
    ['before its way back began', MISSED],
    ['on its way back', [...MISSED, { type: 'rollback-started' }, { type: 'part-started', id: 'a' }]],
    ['on its way back, for the second time', [...MISSED, { type: 'rollback-started' }, { type: 'resumed' }]],
  ])('and has missed it goes on when its runner dies %s', async (_, journal) => {
    await leave('r', journal)
    expect((await found()).keys[0]).toBe('run/r/after/job-of-r')
  })
  test('has a number that is another process’s by now: it goes on', async () => {
    await leave('r', WAITS, { head: { pid: process.pid, pidStarted: '1' } })
    expect((await found()).keys[0]).toBe('run/r/after/job-of-r')
  })
})

describe('a run without a runner that waits for nobody', () => {
  test.each<[string, Entry[]]>([
    ['never did', [{ type: 'step-started', id: 'a' }]],
    ['was confirmed', [...WAITS, { type: 'step-finished', id: 'sure' }]],
    ['is being taken back', [...WAITS, { type: 'rollback-started' }]],
    ['missed it, and may', [...MISSED.slice(0, -1), { ...MISSED.at(-1)!, tolerated: true }]],
    ['missed it, and was taken back', [...MISSED, { type: 'rollback-started' }, { type: 'run-finished' }]],
    ['was stopped while it waited', [...WAITS, { ...MISSED.at(-1)!, failure: { code: 'interrupted' } }]],
  ])('is named once and not begun: it %s', async (_, journal) => {
    await leave('r', journal)
    const { keys, said } = await found()
    expect(keys).toEqual([])
    expect(said.match(/run r was left half-way/g)).toHaveLength(1)
    expect(said).toContain(`HOSTOPS_STATE_DIR=${root} hostops resume r`)
  })
})

describe('values, which may be secrets', () => {
  test('go with the end of a run that is known', async () => {
    await leave('r', WAITS, { report: { outcome: 'succeeded' } })
    await found()
    expect(values('r')).toEqual([])
  })
  test('go where the job ended without a run', async () => {
    await leave('r', null)
    await found()
    expect(values('r')).toEqual([])
  })
  test('stay while the end is not known: somebody may have to finish it', async () => {
    await leave('r', WAITS, { report: { outcome: 'unknown' } })
    await found()
    expect(values('r')).toEqual(['inputs.json', 'values.json'])
  })
})

test('what somebody gave who goes on with an ended run stays until that has ended', async () => {
  await leave('r', WAITS, { report: { outcome: 'succeeded' } })
  const values = () => readdirSync(join(root, 'requests', 'r')).includes('values.json')
  for (const job of [null, 'job-back']) {
    await found({ again: new Map([['r', job]]), runs: ['job-back'] })
    expect(values(), String(job)).toBe(true)
  }
  const again = new Map([['r', 'job-back']])
  await found({ again })
  expect([values(), again.size]).toEqual([false, 0])
})
