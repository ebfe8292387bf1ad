/** `hostops doctor` tells what is missing and what mends it, on this machine and through a real hostlinkd. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Section } from '../../src/cli/doctor/finding.ts'
import { startDaemonRig } from '../rig/daemon.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(() => rig.remove())

type Doctor = { ok: boolean; target: string; sections: Section[] }

async function doctor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { code, stdout, stderr } = await rig.run(['doctor', '--json', ...args], { env })
  expect(stderr).toBe('')
  const told = JSON.parse(stdout) as Doctor
  expect(code).toBe(told.ok ? 0 : 1)
  const finding = (name: string) => {
    const found = told.sections.flatMap(({ findings }) => findings).find(each => each.name === name)
    if (!found) throw new Error(`nothing is told of ${name}: ${stdout}`)
    return found
  }
  return { ...told, finding }
}

/** A PATH with these programs only, each a shell script; `df` is the real one. */
function programs(scripts: Record<string, string>): string {
  mkdirSync(rig.path('bin'))
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(rig.path('bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  }
  symlinkSync('/bin/df', rig.path('bin', 'df'))
  return rig.path('bin')
}

test('a machine with everything', async () => {
  const docker = 'case $1 in info) echo / ;; *) echo 26.1 ;; esac'
  const PATH = programs({ git: 'echo git version 2.39', curl: 'echo curl 7.88', docker })
  const { target, sections, finding } = await doctor([], { PATH })
  expect([target, sections.map(({ title }) => title)]).toEqual(['local', ['here', 'target local']])
  for (const name of ['node', 'state folder', 'git', 'curl', 'docker engine', 'compose v2', 'buildx'])
    expect(finding(name)).toMatchObject({ ok: true })
})

test('a machine with nothing: each finding has its fix, and the exit code is 1', async () => {
  const { ok, finding } = await doctor([], { PATH: programs({}) })
  expect(ok).toBe(false)
  for (const [name, fix] of [
    ['git', 'apt-get install git'],
    ['curl', 'apt-get install curl'],
    ['docker engine', 'install Docker Engine'],
    ['compose v2', 'docker-compose-plugin'],
  ] as const)
    expect(finding(name)).toMatchObject({ ok: false, detail: 'not found', fix: expect.stringContaining(fix) })
  expect(finding('docker disk').ok).toBe(null)
})

test('what a program prints cannot steer the terminal', async () => {
  const PATH = programs({ git: `printf 'git \\033[2J\\007 1\\n'` })
  const { stdout, code } = await rig.run(['doctor'], { env: { PATH } })
  expect(code).toBe(1)
  expect(stdout).toContain('git')
  expect(stdout).toContain('fix: apt-get install curl')
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
})

test('through a daemon: its socket, token, features and policy', async () => {
  await using daemon = await startDaemonRig()
  const token = rig.write('token', daemon.token)
  const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN_FILE: token, PATH: process.env['PATH'] }
  chmodSync(token, 0o644)
  expect((await doctor(['--target', 'hostlink'], env)).finding('token')).toMatchObject({
    ok: false,
    fix: `chmod 640 ${token}`,
  })
  chmodSync(token, 0o600)
  const { finding, sections } = await doctor(['--target', 'hostlink'], env)
  expect(sections.map(({ title }) => title)).toEqual(['here', 'hostlink', 'target hostlink'])
  expect(finding('socket')).toMatchObject({ ok: true, detail: `${daemon.socket}, mode 660` })
  expect(finding('token').ok).toBe(true)
  expect(finding('daemon')).toMatchObject({ ok: true, detail: expect.stringMatching(/^rig/) })
  expect(finding('features').detail).toContain('argv')
  expect(finding('policy').detail).toContain('full')
  expect(finding('git').ok).toBe(true)
  chmodSync(daemon.socket, 0o666)
  expect((await doctor(['--target', 'hostlink'], env)).finding('socket').fix).toContain('chmod 660')
})

test('a daemon that is not there, a wrong token, no token: told as findings, with the rest', async () => {
  await using daemon = await startDaemonRig()
  const token = rig.write('token', 'another-token-entirely')
  chmodSync(token, 0o600)
  const at = ['--target', 'hostlink']
  const wrong = await doctor(at, { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN_FILE: token })
  expect(wrong.finding('daemon')).toMatchObject({ ok: false, detail: 'it does not accept the token' })
  const missing = await doctor(at, { HOSTLINK_SOCKET: rig.path('no.sock'), HOSTLINK_TOKEN_FILE: token })
  expect(missing.finding('socket').fix).toContain('start the daemon')
  const none = await doctor(at, { HOSTLINK_SOCKET: daemon.socket })
  expect(none.finding('endpoint')).toMatchObject({ ok: false, detail: 'there is no token' })
  expect(none.finding('reachable').fix).toContain('HOSTLINK_TOKEN_FILE')
  expect(none.finding('node').ok).toBe(true)
})

test('a target that is none is wrong use', async () => {
  const { code, stdout, stderr } = await rig.run(['doctor', '--target', 'moon:x', '--json'])
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(/^error: .*\nhint: targets are local/)
})
