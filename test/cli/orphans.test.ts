/** A runner that is killed leaves its command running: what comes next waits for it or ends it. Real processes all. */
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BOOTSTRAP, remoteInput } from '../../src/transport/ssh-script.ts'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'
import { type Sshd, sshdMissing, startSshd } from '../rig/sshd.ts'

const DIE = fileURLToPath(new URL('../rig/die.mjs', import.meta.url))

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
  rig.write('ledger', '')
})
afterEach(async () => {
  // Also after a failure: what works until it is let go must not outlive the test.
  for (const name of ['go', 'back']) letGo(name)
  await new Promise(resolve => setTimeout(resolve, 100))
  await rig.remove()
})

const ledger = () => rig.read('ledger').split('\n').filter(Boolean)
const note = (word: string) => `echo ${word} >> '${rig.path('ledger')}'`
const letGo = (name = 'go') => writeFileSync(rig.path(name), '')
/** Does its work in a child of its own until it is let go, or for ever where nobody does. */
const working = (go = 'go') =>
  `echo on; (while test -d '${rig.folder}' && ! test -e '${rig.path(go)}'; do ${note('tick')}; sleep 0.02; done) & wait; ${note('end')}`
const long = (more: object = {}) => ({
  id: 'long',
  script: working(),
  undo: { script: note('undone') },
  ...more,
})
const next = () => ({ id: 'next', script: note('next'), undo: ['true'] })
const journalFile = () => join(rig.state, 'runs', 'r', 'journal.ndjson')

async function killed(
  steps: readonly object[],
  env: NodeJS.ProcessEnv = {},
  target = 'local',
): Promise<void> {
  const file = rig.playbook('orphan', steps)
  const started = rig.start(['run', file, '--run-id', 'r', '--target', target], { env })
  const named = () => /"kind":"(process|key|marked)"/.test(readFileSync(journalFile(), 'utf8'))
  await poll(() => ledger().includes('tick') && named())
  started.child.kill('SIGKILL')
  await started.ended
}
/** Nothing of it goes on. */
async function isQuiet(): Promise<void> {
  const before = ledger().length
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(ledger().length).toBe(before)
}

describe('a command that outlives its runner', () => {
  test('is ended before the run is taken back, with all that it has started', async () => {
    await killed([long(), next()])
    const back = await rig.run(['rollback', 'r', '--output', 'lines'])
    expect(back, back.stderr).toMatchObject({
      code: 1,
      report: { outcome: 'rolled-back', rollbackVerified: null },
    })
    expect(back.stderr).toMatch(/long: process \d+ of an earlier runner still runs: it is ended first/)
    expect(ledger().at(-1)).toBe('undone')
    await isQuiet()
    expect((await rig.run(['rollback', 'r'])).stdout).toBe(back.stdout)
  })

  test('is waited for by who resumes: nothing is done beside it, and it is not run again', async () => {
    await killed([long(), next()])
    const resuming = rig.start(['resume', 'r', '--assume', 'done', '--output', 'lines'])
    await resuming.until(/still runs: its end is waited for/)
    expect(ledger()).not.toContain('next')
    letGo()
    expect((await resuming.ended).report).toMatchObject({ outcome: 'succeeded' })
    expect(ledger().filter(word => word !== 'tick')).toEqual(['end', 'next'])
  })

  test('and for longer than its step may take is ended, as its runner would have done', async () => {
    await killed([long({ timeout: '1s' }), next()])
    const resumed = await rig.run(['resume', 'r'])
    expect(resumed).toMatchObject({ code: 6, report: { outcome: 'unknown', errorCode: 'end-not-seen' } })
    expect(ledger()).not.toContain('next')
    await isQuiet()
  })

  test('is left alone by Ctrl-C of who waits for it, and the run stays as open as it was', async () => {
    await killed([long(), next()])
    const resuming = rig.start(['resume', 'r', '--output', 'lines'])
    await resuming.until(/its end is waited for/)
    resuming.child.kill('SIGINT')
    expect(await resuming.ended).toMatchObject({
      code: 130,
      report: { outcome: 'interrupted', success: false },
    })
    expect(await rig.run(['report', 'r'])).toMatchObject({ code: 6, report: { outcome: 'unknown' } })
    const before = ledger().length
    await poll(() => ledger().length > before)
    letGo()
    await poll(() => ledger().includes('end'))
    expect((await rig.run(['rollback', 'r'])).report.outcome).toBe('rolled-back')
  })

  test('of a rollback is waited for: its part is done again only behind it', async () => {
    const undo = { script: `${note('undoing')}; ${working('back')}; ${note('undone')}` }
    letGo()
    await killed([
      { id: 'long', script: note('begun'), undo },
      { id: 'bad', run: ['false'], effect: 'read' },
    ])
    const again = rig.start(['rollback', 'r', '--output', 'lines'])
    await again.until(/its end is waited for/)
    expect(ledger().filter(word => word === 'undoing')).toHaveLength(1)
    letGo('back')
    expect((await again.ended).report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: null })
    expect(ledger().filter(word => word !== 'tick')).toEqual([
      ...['begun', 'undoing', 'end', 'undone'],
      ...['undoing', 'end', 'undone'],
    ])
  })

  describe('whose leader is dead while what it has started goes on', () => {
    const leaderless = async () => {
      await killed([long(), next()])
      const [, pid] = /"kind":"process","pid":(\d+)/.exec(readFileSync(journalFile(), 'utf8'))!
      process.kill(Number(pid), 'SIGKILL')
      const before = ledger().length
      await poll(() => ledger().length > before + 2)
    }

    test('is ended before the run is taken back', async () => {
      await leaderless()
      const back = await rig.run(['rollback', 'r', '--output', 'lines'])
      expect(back.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: null })
      expect(back.stderr).toMatch(/process \d+ of an earlier runner still runs: it is ended first/)
      expect(ledger().at(-1)).toBe('undone')
      await isQuiet()
    })

    test('is ended before the same is done again', async () => {
      await leaderless()
      const resuming = rig.start(['resume', 'r', '--assume', 'not-done', '--output', 'lines'])
      await resuming.until(/its end is waited for[\s\S]*long \| on/)
      letGo()
      expect((await resuming.ended).report.outcome).toBe('succeeded')
      expect(ledger().filter(word => word !== 'tick')).toEqual(['end', 'next'])
      await isQuiet()
    })

    test('is left there when a person says that the step is done: it may be what the step was for', async () => {
      await leaderless()
      const resumed = await rig.run(['resume', 'r', '--assume', 'done'])
      expect(resumed.report.outcome).toBe('succeeded')
      const before = ledger().length
      await poll(() => ledger().length > before)
      letGo()
    })
  })

  test('has ended when its number is that of another process: that one is not touched', async () => {
    await killed([long(), next()])
    const text = readFileSync(journalFile(), 'utf8')
    const [, started = ''] = /"command-started".*"started":"(\d+)"/.exec(text) ?? []
    writeFileSync(journalFile(), text.replace(`"started":"${started}"`, '"started":"1"'))
    const back = await rig.run(['rollback', 'r', '--output', 'lines'])
    expect(back.stderr).not.toContain('still runs')
    const before = ledger().length
    await poll(() => ledger().length > before)
    letGo()
    await poll(() => ledger().includes('end'))
  })

  describe.skipIf(sshdMissing !== null)(sshdMissing ?? 'over ssh', () => {
    let sshd: Sshd
    let env: NodeJS.ProcessEnv
    beforeEach(async () => {
      sshd = await startSshd()
      env = { HOSTOPS_SSH_CONFIG: sshd.config }
    })
    afterEach(() => sshd.stop())
    const target = () => `ssh:${sshd.destination}`
    /** Nobody there ends it when the link goes: what started it is dead. */
    const deaf = () => `kill -9 $PPID; ${working()}`

    test('is ended before the run is taken back, also where it is in no hurry', async () => {
      await killed([long({ script: `trap '' TERM; ${working()}` }), next()], env, target())
      const back = await rig.run(['rollback', 'r', '--output', 'lines'], { env })
      expect(back.report, back.stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: null })
      expect(ledger().at(-1)).toBe('undone')
      await isQuiet()
    })

    test('is ended also when nothing there looks after it any more', async () => {
      await killed([long({ script: deaf() }), next()], env, target())
      const back = await rig.run(['rollback', 'r', '--output', 'lines'], { env })
      expect(back.report, back.stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: null })
      expect(back.stderr).toContain('a command of an earlier runner still runs: it is ended first')
      expect(ledger().at(-1)).toBe('undone')
      await isQuiet()
    })

    test('is waited for by who resumes', async () => {
      await killed([long({ script: deaf() }), next()], env, target())
      const resuming = rig.start(['resume', 'r', '--assume', 'done', '--output', 'lines'], { env })
      await resuming.until(/a command of an earlier runner still runs: its end is waited for/)
      expect(ledger()).not.toContain('next')
      letGo()
      expect((await resuming.ended).report.outcome).toBe('succeeded')
      expect(ledger().filter(word => word !== 'tick')).toEqual(['end', 'next'])
    })

    test('does not begin when it comes after who looked for it', async () => {
      await killed([long(), next()], env, target())
      letGo()
      await rig.run(['rollback', 'r'], { env })
      const mark = /"kind":"marked","mark":"(\w+)"/.exec(readFileSync(journalFile(), 'utf8'))![1]!
      const notes = join(sshd.folder, 'hostops/ssh-commands')
      expect(readFileSync(join(notes, mark), 'utf8')).toBe('taken\n')
      const before = ledger()
      const remote = { nonce: 'a'.repeat(32), timeoutMs: 5000, job: null, mark, offsets: [0, 0] as const }
      const input = remoteInput({ ...remote, command: { argv: ['sh', '-c', note('late')] } })
      const late = spawn('sh', ['-c', BOOTSTRAP], { env: { ...process.env, XDG_STATE_HOME: sshd.folder } })
      // Its input stays open, because the end of that would cancel it.
      late.stdin.write(input)
      expect(await text(late.stderr)).toContain(`${remote.nonce} exit 75`)
      late.stdin.destroy()
      expect(ledger()).toEqual(before)
    })

    test('leaves nothing behind when it ends as usual', async () => {
      const file = rig.playbook('usual', [next()])
      expect((await rig.run(['run', file, '--target', target()], { env })).report.outcome).toBe('succeeded')
      expect(ledger()).toEqual(['next'])
      expect(readdirSync(join(sshd.folder, 'hostops/ssh-commands'))).toEqual([])
    })
  })

  test('through hostlink is ended there before the run is taken back', async () => {
    const daemon: DaemonRig = await startDaemonRig()
    try {
      const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
      await killed([long(), next()], env, 'hostlink')
      const back = await rig.run(['rollback', 'r', '--output', 'lines'], { env })
      expect(back, back.stderr).toMatchObject({ code: 1, report: { outcome: 'rolled-back' } })
      expect(back.stderr).toContain('long: a command of an earlier runner still runs: it is ended first')
      expect(ledger().at(-1)).toBe('undone')
      await isQuiet()
    } finally {
      await daemon.stop()
    }
  })
})

test.each([
  ['a program', (file: string) => [file, 'a', 'b c']],
  ['a program found in the PATH', () => ['sleep', '600']],
])('%s whose number nobody could note is found by its words and its moment', async (_, argvOf) => {
  const script = rig.write('worker', `#!/bin/sh\n${note('on')}\nsleep 600\n`)
  chmodSync(script, 0o755)
  const argv = argvOf(script)
  const file = rig.playbook('torn', [{ id: 'work', run: argv, undo: { script: note('undone') } }])
  // The line that would have told its process is half written when the runner is killed.
  const lines = await linesBefore(file)
  const more = { env: { HOSTOPS_DIE: `torn:${lines}` }, node: ['--import', DIE] }
  expect((await rig.run(['run', file, '--run-id', 'r'], more)).signal).toBe('SIGKILL')
  const text = readFileSync(journalFile(), 'utf8')
  expect(text).toContain('"kind":"announced"')
  const back = await rig.run(['rollback', 'r', '--output', 'lines'])
  expect(back.stderr).toMatch(/work: a process of an earlier runner still runs: it is ended first/)
  expect(back.report.outcome).toBe('rolled-back')
})

/** In the journal up to the line that names the process. */
async function linesBefore(file: string): Promise<number> {
  const started = rig.start(['run', file, '--run-id', 'first'])
  const journal = join(rig.state, 'runs', 'first', 'journal.ndjson')
  await poll(() => existsSync(journal) && readFileSync(journal, 'utf8').includes('"kind":"process"'))
  started.child.kill('SIGTERM')
  await started.ended
  const lines = readFileSync(journal, 'utf8').split('\n')
  return lines.findIndex(line => line.includes('"kind":"process"')) + 1
}
