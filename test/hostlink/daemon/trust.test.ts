/** Where paths lead, who could lead them elsewhere, and what a swap at the worst moment brings. */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { judge } from '../../../src/hostlink/daemon/policy/trust.ts'
import { runProcess } from '../../../src/process/process.ts'
import { askOnce } from '../../rig/ask.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'

const isRoot = process.getuid?.() === 0
const NOBODY = 65_534
const trusted = new Set([0, process.getuid?.() ?? 0])

let folder: string
let swapper: ChildProcess | null = null
let daemon: DaemonRig | null = null
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostlink-trust-')))
  chmodSync(folder, 0o755)
})
afterEach(async () => {
  swapper?.kill('SIGKILL')
  swapper = null
  await daemon?.stop()
  daemon = null
  rmSync(folder, { recursive: true, force: true })
})

const at = (name: string) => join(folder, name)
const unsafe = (path: string) => judge(path, trusted).unsafe?.reason.replaceAll(folder, '') ?? null

describe('a path', () => {
  test('leads where the system says, through any links', () => {
    mkdirSync(at('a/b/c'), { recursive: true })
    writeFileSync(at('a/file'), '')
    symlinkSync('b/c', at('a/down'))
    symlinkSync('../../a', at('a/b/up'))
    symlinkSync(at('a/b'), at('absolute'))
    symlinkSync('a/./b/../down', at('winding'))
    symlinkSync('/', at('root'))
    const name = fc.constantFrom(
      'a',
      'b',
      'c',
      'down',
      'up',
      'absolute',
      'winding',
      'file',
      'root',
      '..',
      '.',
      'none',
    )
    fc.assert(
      fc.property(fc.array(name, { maxLength: 7 }), names => {
        const path = [folder, ...names].join('/')
        let real: string | null = null
        try {
          real = realpathSync.native(path)
        } catch {}
        const judged = judge(path, trusted)
        if (real === null) {
          expect(judged.found).toBe(null)
          return
        }
        const { dev, ino } = statSync(path)
        expect(judged).toMatchObject({ real, found: { dev, ino } })
      }),
      { numRuns: 2000 },
    )
  })

  test('that is not there ends in what is', () => {
    mkdirSync(at('a'))
    symlinkSync('a', at('link'))
    symlinkSync('none/x', at('dangling'))
    expect(judge(at('link/new/x'), trusted)).toEqual({ real: at('a/new/x'), unsafe: null, found: null })
    expect(judge(at('dangling/y'), trusted)).toEqual({ real: at('none/x/y'), unsafe: null, found: null })
    for (const path of [`${folder}/none/../a`, 'a', '', '/a\0b']) expect(judge(path, trusted).real).toBe(null)
    symlinkSync('loop', at('loop'))
    expect(unsafe(at('loop'))).toContain('a loop of links')
    symlinkSync('a/../'.repeat(800), at('long'))
    expect(unsafe(at('long'))).toContain('too long a way')
  })

  test.runIf(isRoot)('is safe only where nobody else can change a folder or a link on the way', () => {
    for (const name of ['ours/sub', 'theirs/sub', 'open/sub', 'group/sub', 'sticky/ours', 'sticky/theirs'])
      mkdirSync(at(name), { recursive: true })
    for (const name of ['theirs', 'sticky/theirs']) chownSync(at(name), NOBODY, NOBODY)
    chmodSync(at('open'), 0o777)
    chmodSync(at('group'), 0o775)
    chmodSync(at('sticky'), 0o1777)
    writeFileSync(at('ours/file'), '')
    chmodSync(at('ours/file'), 0o666)
    symlinkSync(at('ours/sub'), at('theirs/link'))
    symlinkSync(at('theirs'), at('ours/link'))
    symlinkSync(at('ours/sub'), at('sticky/link'))
    lchownSync(at('sticky/link'), NOBODY, NOBODY)
    expect([at('ours/sub'), at('sticky/ours'), '/dev/null', at('ours/new')].map(unsafe)).toEqual(
      Array(4).fill(null),
    )
    expect(unsafe(at('theirs/sub'))).toBe(`/theirs belongs to uid ${NOBODY}`)
    expect(unsafe(at('theirs/link'))).toBe(`/theirs belongs to uid ${NOBODY}`)
    expect(unsafe(at('ours/link/sub'))).toBe(`/theirs belongs to uid ${NOBODY}`)
    expect(unsafe(at('open/sub'))).toBe('/open can be changed by every user of this machine')
    expect(unsafe(at('open/new'))).toBe('/open can be changed by every user of this machine')
    expect(unsafe(at('group/sub'))).toBe('/group can be changed by group 0')
    expect(unsafe(at('sticky'))).toBe('/sticky can be changed by every user of this machine')
    expect(unsafe(at('sticky/theirs'))).toBe(`/sticky/theirs belongs to uid ${NOBODY}`)
    expect(unsafe(at('sticky/link'))).toBe(`/sticky/link belongs to uid ${NOBODY}`)
    expect(unsafe(at('sticky/new'))).toBe('/sticky can be changed by every user of this machine')
    expect(unsafe(at('ours/file'))).toBe('/ours/file can be changed by every user of this machine')
    expect(judge(at('theirs/sub'), new Set([0, NOBODY])).unsafe).toBe(null)
  })
})

/** Puts now one thing and now a link to another under a name, as fast as it can. */
const SWAP = `
const fs = require('fs'); const [folder, name, other] = process.argv.slice(1); process.chdir(folder)
fs.symlinkSync(other, 'link'); process.stdout.write('on')
for (;;) try { fs.renameSync(name, 'kept'); fs.renameSync('link', name); fs.renameSync(name, 'link'); fs.renameSync('kept', name); for (const end = performance.now() + Math.random(); performance.now() < end;); } catch {}
`
async function swap(inside: string, name: string, other: string, uid: number): Promise<void> {
  const child = spawn(process.execPath, ['-e', SWAP, inside, name, other], {
    stdio: ['ignore', 'pipe', 'ignore'],
    ...(isRoot ? { uid, gid: uid } : {}),
  })
  swapper = child
  await new Promise(resolve => child.stdout!.once('data', resolve))
}

const TRIES = 300

describe('a swap between the look and the use', () => {
  async function daemonWith(...rules: string[]) {
    const token = 'narrow-token-0123456789'
    writeFileSync(at('agent'), `${token}\n`, { mode: 0o600 })
    const lines = rules.map(rule => `      - ${rule}\n`).join('')
    writeFileSync(
      at('policy.yaml'),
      `tokens:\n  agent:\n    token_file: ${at('agent')}\n    policy: allowlist\n    allow:\n${lines}`,
    )
    const rig = await startDaemonRig({ config: { policy_file: at('policy.yaml') } })
    daemon = rig
    return (message: object) => askOnce({ socket: rig.socket, token }, message)
  }

  test.runIf(isRoot)(
    'of a folder or a file that somebody else owns: none escapes, by request or job',
    async () => {
      for (const name of ['bound/theirs/place', 'outside']) mkdirSync(at(name), { recursive: true })
      writeFileSync(at('outside/secret'), 'SECRET\n', { mode: 0o600 })
      writeFileSync(at('bound/theirs/place/secret'), 'harmless\n')
      for (const name of ['bound/theirs', 'bound/theirs/place', 'bound/theirs/place/secret'])
        chownSync(at(name), NOBODY, NOBODY)
      const ask = await daemonWith(
        `argv: [cat, "{path:${at('bound')}/**}"]`,
        `{ argv: [cat, secret], workdir: "{path:${at('bound')}/**}" }`,
        `{ argv: [cat, "{ref}"], workdir: ${at('bound')} }`,
      )
      await swap(at('bound/theirs'), 'place', at('outside'), NOBODY)
      let escaped = 0
      let allowed = 0
      for (let n = 0; n < TRIES; n += 1) {
        const asked = [
          { argv: ['cat', at('bound/theirs/place/secret')] },
          { argv: ['cat', 'secret'], workdir: at('bound/theirs/place') },
          { argv: ['cat', 'theirs/place/secret'], workdir: at('bound') },
        ][n % 3]
        const answer = await ask({ type: 'exec', ...asked, detach: n % 7 === 0 })
        if (answer.status !== 'denied') allowed += 1
        if (JSON.stringify(answer).includes('SECRET')) escaped += 1
      }
      expect({ escaped, allowed }).toEqual({ escaped: 0, allowed: 0 })
    },
  )

  test.runIf(isRoot)('of what is not there yet, in the root of the host: none escapes', async () => {
    mkdirSync(at('theirs'))
    writeFileSync(at('secret'), 'SECRET\n', { mode: 0o600 })
    chownSync(at('theirs'), NOBODY, NOBODY)
    const ask = await daemonWith(`argv: [cat, "{ref}"]`)
    const ref = at('theirs/late').slice(1)
    const cat = (text: string) => ask({ type: 'exec', argv: ['cat', text] })
    const denied = (text: string) => ({
      status: 'denied',
      error_msg: `policy.yaml:6: ${text} is a file or folder in /`,
    })
    expect(await cat(ref)).toMatchObject(denied(ref))
    // A process that is yet to come, such as this very command.
    const process = 'proc/4194303/root/etc/shadow'
    expect(await cat(process)).toMatchObject(denied(process))
    expect(await cat('v1/x')).toMatchObject({ status: 'ok', exit_code: 1 })
    const child = spawn(
      'sh',
      ['-c', 'while :; do ln -s "$1" "$2"; rm -f "$2"; done', 'sh', at('secret'), at('theirs/late')],
      { stdio: 'ignore', uid: NOBODY, gid: NOBODY },
    )
    swapper = child
    let escaped = 0
    for (let n = 0; n < TRIES; n += 1) if (JSON.stringify(await cat(ref)).includes('SECRET')) escaped += 1
    expect(escaped).toBe(0)
  })

  test('of the working folder by anybody at all, even by root: it is the judged one, or nothing starts', async () => {
    for (const name of ['bound/place', 'outside']) mkdirSync(at(name), { recursive: true })
    writeFileSync(at('outside/secret'), 'SECRET\n')
    writeFileSync(at('bound/place/secret'), 'harmless\n')
    await swap(at('bound'), 'place', at('outside'), 0)
    const seen = { harmless: 0, escaped: 0, notStarted: 0 }
    for (let n = 0; n < TRIES; ) {
      const { real, found } = judge(at('bound/place'), trusted)
      if (found === null || real !== at('bound/place')) continue
      n += 1
      if (n % 2 === 0) await sleep(1)
      let said = ''
      const sink = (chunk: Buffer) => {
        said += chunk
      }
      const ended = await runProcess(
        { argv: ['cat', 'secret'], env: { PATH: process.env['PATH']! }, cwd: real, cwdIs: found },
        { stdout: sink, stderr: () => {} },
      )
      if (said.includes('SECRET')) seen.escaped += 1
      else if (said === 'harmless\n') seen.harmless += 1
      else if (ended.how === 'not-started') seen.notStarted += 1
    }
    expect(seen.escaped).toBe(0)
    expect(seen.harmless).toBeGreaterThan(0)
    expect(seen.notStarted).toBeGreaterThan(0)
  })

  test('of the folder under its own name: another folder is not entered', async () => {
    mkdirSync(at('place'))
    const { found } = judge(at('place'), trusted)
    rmSync(at('place'), { recursive: true })
    mkdirSync(at('other'))
    mkdirSync(at('place'))
    const sinks = { stdout: () => {}, stderr: () => {} }
    const ended = await runProcess(
      {
        argv: ['true'],
        env: { PATH: process.env['PATH']! },
        cwd: at('place'),
        cwdIs: { ...found!, ino: found!.ino + 1_000_000 },
      },
      sinks,
    )
    expect(ended).toEqual({ how: 'not-started', what: 'workdir', errno: 'ESTALE' })
  })
})
