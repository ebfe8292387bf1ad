/** `hostops doctor --openclaw`: each obstacle of a node host by its name, with its fix. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Finding } from '../../src/cli/doctor/finding.ts'
import {
  approvalsFinding,
  launcherFinding,
  processFinding,
  tokenFinding,
} from '../../src/cli/doctor/openclaw.ts'
import { HOSTLINKD } from '../rig/daemon.ts'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(() => rig.remove())

const isRoot = process.getuid?.() === 0
const ours = new Set([0, process.getuid?.() ?? 0])

describe('the launcher', () => {
  const seen = (path: string) => launcherFinding(path, ours)
  const file = (name: string, text: string, mode = 0o755): string => {
    const path = rig.write(name, text)
    chmodSync(path, mode)
    return path
  }

  test('is a native file that nobody else can change', () => {
    expect(seen(file('bin/good', '\x7fELF...')).ok).toBe(true)
  })

  test.each([
    ['not absolute', () => 'hostops-trigger', /is not an absolute path/],
    ['missing', () => rig.path('none'), /is not there/],
    ['a script', () => file('bin/script', '#!/bin/sh\n'), /is a script \(#!\)/],
    ['no native program', () => file('bin/text', 'text'), /is not a native program/],
    ['a folder', () => rig.folder, /is not a file/],
    ['not executable', () => file('bin/plain', '\x7fELF', 0o644), /cannot be executed/],
    ['writable by others', () => file('bin/open', '\x7fELF', 0o777), /can be changed by every user/],
    [
      'in a folder that others can write to',
      () => {
        const path = file('open/good', '\x7fELF')
        chmodSync(rig.path('open'), 0o777)
        return path
      },
      /open can be changed by every user/,
    ],
    [
      'a link',
      () => {
        symlinkSync(file('bin/good', '\x7fELF'), rig.path('link'))
        return rig.path('link')
      },
      /is a link/,
    ],
  ])('%s', (_, path, words) => {
    const finding = seen(path())
    expect([finding.ok, finding.fix]).toEqual([false, expect.any(String)])
    expect(finding.detail).toMatch(words)
  })

  test.runIf(isRoot)('owned by the user of the node host', () => {
    const path = file('bin/owned', '\x7fELF')
    chownSync(path, 65534, 65534)
    expect(launcherFinding(path, new Set([0])).detail).toMatch(/belongs to uid 65534/)
  })
})

test('a node host that runs as root, or not at all', () => {
  expect(processFinding([], 'oc').detail).toBe('is not running')
  expect(processFinding([{ pid: 7, uid: 0 }], 'oc')).toMatchObject({
    ok: false,
    fix: expect.stringContaining('as oc'),
  })
  expect(processFinding([{ pid: 7, uid: 998 }], 'oc').ok).toBe(true)
})

test('approvals: another list, another path, everything', () => {
  const launcher = '/usr/local/lib/hostops/hostops-trigger'
  const rules = { security: 'deny' }
  const listed = (agent: string, pattern: string) => ({
    defaults: rules,
    agents: { [agent]: { security: 'allowlist', allowlist: [{ pattern }] } },
  })
  expect(approvalsFinding(listed('main', launcher), launcher, 'main').ok).toBe(true)
  expect(approvalsFinding(listed('*', launcher), launcher, 'main').ok).toBe(true)
  expect(approvalsFinding(listed('ops', launcher), launcher, 'main').detail).toMatch(
    /in the list of ops, not of agent main/,
  )
  expect(approvalsFinding(listed('main', 'hostops-trigger'), launcher, 'main').detail).toMatch(
    /is not an absolute path/,
  )
  expect(approvalsFinding(listed('main', '/usr/bin/rg'), launcher, 'main').detail).toMatch(/is in no list/)
  expect(approvalsFinding({ version: 1 }, launcher, 'main').detail).toMatch(/may execute everything/)
  expect(approvalsFinding('openclaw: not found', launcher, 'main').ok).toBeNull()
})

test('a token that the user of the node host cannot read', () => {
  const file = rig.write('token', 'x')
  const { uid = 0, gid = 0 } = { uid: process.getuid?.(), gid: process.getgid?.() }
  chmodSync(file, 0o640)
  expect(tokenFinding(file, { name: 'me', uid, gid }).ok).toBe(true)
  expect(tokenFinding(file, { name: 'oc', uid: 54321, gid: 54321 })).toMatchObject({
    ok: false,
    fix: expect.stringContaining('chown root:54321'),
  })
  expect(tokenFinding(rig.path('none'), null).ok).toBe(false)
})

test('on a machine: not installed, installed without a daemon, and with one', async () => {
  const root = rig.path('root')
  chmodSync(rig.folder, 0o711)
  const env = { PATH: `${rig.path('openclaw/bin')}:${process.env['PATH']}` }
  const doctor = () => rig.run(['doctor', '--openclaw', '--root', root, '--json'], { env })
  const none = await doctor()
  expect([none.code, JSON.parse(none.stdout).sections[0].findings[0].name]).toEqual([1, 'install'])

  const config = join(root, 'etc/hostlink/hostlink.conf')
  for (const folder of ['usr/local/lib', 'var/lib']) mkdirSync(join(root, folder), { recursive: true })
  execFileSync(process.execPath, [HOSTLINKD, 'init', '--prefix', root, '-c', config], { stdio: 'ignore' })
  rig.write('openclaw/package.json', '{"name":"openclaw","version":"2026.4.20"}')
  chmodSync(rig.write('openclaw/bin/openclaw', '#!/bin/sh\nexit 1\n'), 0o755)
  const words = ['openclaw', 'install', '--root', root, '--user', 'nobody']
  await rig.run([...words, '--pin', 'repoPath=/srv/x', '--yes'], { env })
  const findings = async () => {
    const all = JSON.parse((await doctor()).stdout).sections[0].findings as Finding[]
    return (name: string) => all.find(each => each.name === name)
  }
  const without = await findings()
  expect(without('openclaw')).toMatchObject({ ok: null, detail: expect.stringContaining('after 30 s') })
  expect(without('launcher')?.ok).toBe(true)
  expect(without('daemon')).toMatchObject({ ok: false, fix: expect.stringContaining('restart hostlinkd') })
  expect(without('gateway')).toMatchObject({ ok: null, detail: expect.stringContaining('not looked up') })

  mkdirSync(join(root, 'run/hostlink'), { recursive: true })
  const daemon: ChildProcess = spawn(process.execPath, [HOSTLINKD, '-f', '-c', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  try {
    let log = ''
    daemon.stderr!.on('data', chunk => {
      log += chunk
    })
    await poll(() => log.includes('hostlinkd listens on') || daemon.exitCode !== null)
    expect((await findings())('upgrade-openclaw'), log).toMatchObject({ ok: true, detail: 'may be started' })
    writeFileSync(join(root, 'usr/local/lib/hostops/hostops-trigger'), '#!/bin/sh\n')
    expect((await findings())('launcher')?.detail).toMatch(/is a script/)
    rmSync(join(root, 'etc/hostlink/tokens/openclaw-node'))
    const gone = await findings()
    expect([gone('token')?.ok, gone('daemon')?.ok]).toEqual([false, false])
  } finally {
    daemon.kill()
    await poll(() => daemon.exitCode !== null || daemon.signalCode !== null)
  }
})
