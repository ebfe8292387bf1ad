/** Folders of runs in which something is broken: nothing false is told of them, and they hide no other run. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Failed } from '../../src/failure.ts'
import { reportSchema } from '../../src/report/schema.ts'
import { readRun } from '../../src/runs/runs-folder.ts'
import { readKept } from '../../src/runs/stored-plan.ts'
import { storedReport } from '../../src/runs/stored-report.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const HOOKS = fileURLToPath(new URL('../rig/hooks.mjs', import.meta.url))

let rig: HostopsRig
beforeEach(async () => {
  rig = hostopsRig()
  const steps = [{ id: 'write', run: ['touch', rig.path('mark')], undo: ['rm', rig.path('mark')] }]
  expect((await rig.run(['run', rig.playbook('p', steps), '--run-id', 'whole'])).code).toBe(0)
})
afterEach(() => rig.remove())

const folderOf = (id: string) => join(rig.state, 'runs', id)
/** Another one like it; `open`: its runner is gone, and nobody saw the step end. */
function copy(id: string, how: 'ended' | 'open' = 'ended'): string {
  const folder = folderOf(id)
  cpSync(folderOf('whole'), folder, { recursive: true })
  for (const name of ['run.json', 'report.json', 'journal.ndjson'])
    edit(join(folder, name), text => text.replaceAll('"whole"', `"${id}"`))
  if (how === 'ended') return folder
  rmSync(join(folder, 'report.json'))
  edit(join(folder, 'run.json'), text => JSON.stringify({ ...JSON.parse(text), exitCode: undefined, pid: 0 }))
  edit(join(folder, 'journal.ndjson'), text => {
    const lines = text.split('\n')
    return lines.slice(0, 1 + lines.findIndex(line => line.includes('"step-started"'))).join('\n')
  })
  return folder
}
const edit = (file: string, change: (text: string) => string) =>
  writeFileSync(file, change(readFileSync(file, 'utf8')))

const FILES = ['run.json', 'report.json', 'journal.ndjson', 'plan.json', 'playbook.yaml']
const DAMAGES: { [name: string]: (file: string) => void } = {
  missing: file => rmSync(file),
  empty: file => writeFileSync(file, ''),
  zeroes: file => writeFileSync(file, Buffer.alloc(4096)),
  bytes: file => writeFileSync(file, Buffer.from([0, 1, 255, 254, 10, 200])),
  cut: file => edit(file, text => text.slice(0, text.length >> 1)),
  headless: file => edit(file, text => text.slice(20)),
  null: file => writeFileSync(file, 'null\n'),
  list: file => writeFileSync(file, '[]\n'),
  number: file => writeFileSync(file, '5\n'),
  nothing: file => writeFileSync(file, '{}\n'),
  types: file => edit(file, text => text.replace(/:"[^"]*"/g, ':7')),
  nulls: file => edit(file, text => text.replace(/:("[^"]*"|\d+|true|false)/g, ':null')),
  objects: file => edit(file, text => text.replace(/:("[^"]*"|\d+|true|false)/g, ':{"a":[]}')),
  folder: file => {
    rmSync(file)
    mkdirSync(file)
  },
  loop: file => {
    rmSync(file)
    symlinkSync(file, file)
  },
}
const each = (damage: (id: string, name: string, how: 'ended' | 'open') => void) => {
  for (const name of FILES)
    for (const kind of Object.keys(DAMAGES))
      for (const how of ['ended', 'open'] as const) {
        if (how === 'open' && name === 'report.json') continue
        const id = `${name.split('.')[0]}-${kind}-${how}`
        DAMAGES[kind]!(join(copy(id, how), name))
        damage(id, name, how)
      }
}

test('each way: the report is one, it is never better than what is known, and who goes on fails by a word of ours', () => {
  each((id, name, how) => {
    const run = readRun(folderOf(id))
    if (run === null) return
    const { report, exitCode } = storedReport(run)
    expect(reportSchema.safeParse(report).error, id).toBeUndefined()
    expect(exitCode, id).toBe(report.outcome === 'succeeded' ? 0 : report.outcome === 'unknown' ? 6 : 1)
    // What was cut off or never begun is told as such only where nothing else can be true.
    if (how === 'open') expect(report.success, id).not.toBe(true)
    if (report.outcome === 'failed-unchanged')
      expect([run.status, name], id).toEqual(['not-started', 'journal.ndjson'])
    try {
      expect(readKept(run).events.length, id).toBeGreaterThan(0)
    } catch (error) {
      expect(error, id).toBeInstanceOf(Failed)
      expect((error as Failed).failure, id).toMatchObject({ code: 'usage' })
    }
  })
})

test.each([
  ['of one line', '[]\n', false],
  ['of many', `\0\0\n{"v":1,"seq":2,"type":"x"}\n`, false],
  ['that is another file now', '{"runId":"r"}\n', false],
  ['with a broken first line', '{"v":1,"seq":1,"at"\n{"v":1,"seq":2,"type":"step-started"}\n', false],
  ['with half of its first line', '{"v":1,"seq":1,"at":"2026', true],
  ['with a beginning of it', '{"v":', true],
  ['of nothing', '', true],
  ['of zeroes, as a power cut leaves it', '\0\0\0\0', true],
])('a journal %s: that nothing was begun is told only where it is so', async (_, text, isBeginning) => {
  const folder = copy('r', 'open')
  writeFileSync(join(folder, 'journal.ndjson'), text)
  const told = await rig.run(['report', 'r'])
  expect([told.report.outcome, told.code]).toEqual(isBeginning ? ['failed-unchanged', 1] : ['unknown', 6])
  if (isBeginning) return
  for (const verb of ['resume', 'rollback']) {
    const ended = await rig.run([verb, 'r'])
    expect(ended).toMatchObject({ code: 2, report: { outcome: 'invalid', errorCode: 'usage' } })
    expect(ended.stderr).toContain('the journal of run r cannot be read')
  }
  expect((await rig.run(['report', 'r'])).stdout).toBe(told.stdout)
})

test('an ended run whose journal is gone is not "taken back" by nobody, and its line stays', async () => {
  const line = (await rig.run(['report', 'whole'])).stdout
  writeFileSync(join(folderOf('whole'), 'journal.ndjson'), '')
  expect((await rig.run(['rollback', 'whole'])).code).toBe(2)
  expect(await rig.run(['report', 'whole'])).toMatchObject({ code: 0, stdout: line })
  expect(rig.exists('mark')).toBe(true)
})

test('of an ended run that somebody goes on with the report is not that of the runner before', () => {
  const whole = readRun(folderOf('whole'))!
  expect(storedReport(whole)).toMatchObject({ exitCode: 0, report: { outcome: 'succeeded', success: true } })
  const { report } = storedReport({ ...whole, status: 'running' })
  expect(report).toMatchObject({ outcome: 'started', success: null, changed: null })
})

test('among a thousand they hide none of the others', async () => {
  const files = ['run.json', 'report.json', 'journal.ndjson'].map(name => {
    return [name, readFileSync(join(folderOf('whole'), name), 'utf8')] as const
  })
  const good = Array.from({ length: 1000 }, (_, n) => `good-${n}`)
  for (const id of good) {
    mkdirSync(folderOf(id))
    for (const [name, text] of files)
      writeFileSync(join(folderOf(id), name), text.replaceAll('"whole"', `"${id}"`))
  }
  each(() => {})
  mkdirSync(folderOf('empty'))
  writeFileSync(folderOf('file'), '')
  symlinkSync('nowhere', folderOf('link'))
  const told = await rig.run(['runs', '--json', '--limit', '2000'])
  expect([told.code, told.stderr]).toEqual([0, ''])
  const rows = JSON.parse(told.stdout) as { runId: string; outcome: string }[]
  const outcomeOf = new Map(rows.map(({ runId, outcome }) => [runId, outcome]))
  expect(good.map(id => outcomeOf.get(id))).toEqual(good.map(() => 'succeeded'))
  for (const [id, outcome] of outcomeOf) expect(outcome, id).toMatch(/^(succeeded|unknown|failed-unchanged)$/)
  expect((await rig.run(['runs', '--limit', '2000'])).stdout).not.toMatch(/undefined|object Object/)
})

test('a folder that holds nothing is none: its id can be used; one that holds something else is not, and is named', async () => {
  mkdirSync(folderOf('empty'))
  const run = (id: string) => rig.run(['run', rig.path('p.yaml'), '--run-id', id])
  expect((await run('empty')).report.outcome).toBe('succeeded')
  mkdirSync(folderOf('strange'))
  writeFileSync(join(folderOf('strange'), 'x'), '')
  expect((await run('strange')).report.error).toBe('the run id strange is used already')
  const asked = await rig.run(['report', 'strange'])
  expect([asked.code, asked.stderr]).toEqual([
    2,
    expect.stringContaining(`what ${folderOf('strange')} holds does not tell of a run`),
  ])
})

test('a runner that is killed before its run has a folder has left no run, and what it left goes with time', async () => {
  const env = { HOSTOPS_HOOK: 'kill:r' }
  const killed = await rig.run(['run', rig.path('p.yaml'), '--run-id', 'r'], {
    env,
    node: ['--import', HOOKS],
  })
  expect(killed.signal).toBe('SIGKILL')
  // The next moment it was told by that folder that nothing was begun.
  const told = await rig.run(['report', 'r'])
  expect([told.code, told.report.errorCode]).toEqual([1, 'not-begun'])

  const old = mkdtempSync(folderOf('.new-'))
  const young = mkdtempSync(folderOf('.new-'))
  cpSync(join(folderOf('r'), 'run.json'), join(young, 'run.json'))
  const twoHoursAgo = Date.now() / 1000 - 7200
  utimesSync(old, twoHoursAgo, twoHoursAgo)
  await rig.run(['run', rig.path('p.yaml'), '--run-id', 's'])
  expect([existsSync(old), existsSync(young)]).toEqual([false, true])
  const rows = JSON.parse((await rig.run(['runs', '--json'])).stdout) as { runId: string }[]
  expect(rows.map(({ runId }) => runId).sort()).toEqual(['r', 's', 'whole'])
})
