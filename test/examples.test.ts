/** Every example and every playbook that ships is valid and can be planned; what can run on a plain machine runs. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type HostopsRig, hostopsRig } from './rig/hostops.ts'

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const filesOf = (folder: string) =>
  readdirSync(at(folder))
    .filter(name => name.endsWith('.yaml'))
    .map(name => at(`${folder}/${name}`))
const files = [...filesOf('examples'), ...filesOf('playbooks')]

let rig: HostopsRig
let server: Server
let baseUrl: string
beforeAll(async () => {
  rig = hostopsRig()
  server = createServer((_, response) => response.end('{"version":"v2","ok":true}'))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  await new Promise(resolve => server.close(resolve))
  await rig.remove()
})

const run = (name: string, ...inputs: string[]) =>
  rig.run(['run', at(`examples/${name}.yaml`), ...inputs.flatMap(input => ['-i', input])])

test('all are valid', async () => {
  const { code, stdout } = await rig.run(['validate', ...files])
  expect(stdout).toBe('')
  expect(code).toBe(0)
})

test.each(files.map(file => [basename(file), file]))('%s can be planned', async (_, file) => {
  const shown = JSON.parse((await rig.run(['show', file, '--json'])).stdout)
  const values: Record<string, string> = {
    path: '/srv/x',
    ref: 'v2',
    url: 'http://127.0.0.1:1',
    string: 'v2',
    secret: 'topsecret',
  }
  const inputs = (shown.inputs as { name: string; type: string; from: string }[])
    .filter(input => input.from === 'caller')
    .flatMap(input => ['-i', `${input.name}=${values[input.type]}`])
  const { report, code } = await rig.run(['run', file, ...inputs, '--dry-run'])
  expect([report.outcome, code]).toEqual(['planned', 0])
})

test('the table in their README names every one', () => {
  const text = readFileSync(at('examples/README.md'), 'utf8')
  for (const file of filesOf('examples')) expect(text).toContain(`[${basename(file)}](${basename(file)})`)
})

test('inputs', async () => {
  const { report, stderr } = await run('inputs', 'folder=/tmp', 'level=debug', 'count=3', 'note=hi')
  expect(report.outcome).toBe('succeeded')
  expect(stderr).toContain('| debug count=3 /tmp/report.txt')
  expect(stderr).toContain('| hi\n')
  const wrong = await run('inputs', 'folder=/tmp', 'level=loud', 'name=A', 'count=many')
  expect(wrong.report.outcome).toBe('invalid')
  for (const input of ['level', 'name', 'count']) expect(wrong.report.error).toContain(`input "${input}"`)
})

test('expressions', async () => {
  const { report, stderr } = await run('expressions', `folder=${rig.folder}`)
  expect(report.success).toBe(true)
  expect(stderr).toMatch(/run \S+ on local: \{"files": \d+\} \(home \/.+\)/)
})

test('retry', async () => {
  const { report } = await run('retry', `marker=${rig.path('marker')}`)
  expect(report).toMatchObject({ outcome: 'succeeded', steps: [{ attempts: 2 }] })
})

test('when', async () => {
  const { report } = await run('when', `folder=${rig.folder}`)
  expect(report.steps).toMatchObject([
    { status: 'skipped' },
    { status: 'failed', tolerated: true },
    { status: 'succeeded' },
  ])
  expect(report).toMatchObject({ success: false, outcome: 'failed-unchanged', failedStep: 'optional' })
  rig.write('.maybe', '')
  const there = await run('when', `folder=${rig.folder}`)
  expect(there.report).toMatchObject({ success: true, outcome: 'succeeded' })
})

test('undo', async () => {
  mkdirSync(rig.path('undo'))
  expect((await run('undo', `folder=${rig.path('undo')}`, 'fail=true')).report.outcome).toBe('rolled-back')
  expect(rig.exists('undo/setting')).toBe(false)
  expect(rig.read('undo/running')).toBe('none\n')
  expect((await run('undo', `folder=${rig.path('undo')}`)).report.outcome).toBe('succeeded')
  expect(rig.read('undo/running')).toBe('new\n')
})

test('health', async () => {
  expect((await run('health', `baseUrl=${baseUrl}`, 'version=v2')).report).toMatchObject({
    success: true,
    healthz: true,
    readyz: true,
  })
  expect((await run('health', `baseUrl=${baseUrl}`, 'version=v3')).report.success).toBe(false)
})

test('secrets', async () => {
  const ended = await run('secrets', `token=@${rig.write('token', 'very-secret-value\n')}`)
  expect(ended.report.success).toBe(true)
  expect(ended.stderr).toContain('| the token is ***')
  expect(ended.stderr + ended.stdout + rig.everythingIn('state')).not.toContain('very-secret-value')
})

test('script', async () => {
  rig.write('large', 'x'.repeat(3_000_000))
  const { report, stderr } = await run('script', `folder=${rig.folder}`)
  expect(report.success).toBe(true)
  expect(stderr).toMatch(/script \| \d+\s+large\n/)
})

test('notify', async () => {
  const { report } = await run('notify', `file=${rig.path('notes.txt')}`)
  expect(report.success).toBe(true)
  expect(rig.read('notes.txt')).toBe(`run ${report.runId} has done its work\n`)
  expect((await run('notify', 'file=/nowhere/notes.txt')).report.success).toBe(false)
})

test('git-only', async () => {
  const git = (cwd: string, ...args: string[]) =>
    execFileSync('git', ['-C', cwd, '-c', 'user.name=a', '-c', 'user.email=a@example.invalid', ...args], {
      env: rig.env,
      stdio: 'pipe',
      encoding: 'utf8',
    }).trim()
  mkdirSync(rig.path('up'))
  git(rig.path('up'), 'init', '-q', '-b', 'main')
  git(rig.path('up'), 'commit', '-q', '--allow-empty', '-m', 'one')
  git(rig.folder, 'clone', '-q', rig.path('up'), rig.path('site'))
  git(rig.path('up'), 'commit', '-q', '--allow-empty', '-m', 'two')
  const tip = git(rig.path('up'), 'rev-parse', 'HEAD')
  const { report } = await run('git-only', `repo=${rig.path('site')}`, 'ref=main')
  expect(report).toMatchObject({
    outcome: 'succeeded',
    afterSha: tip,
    beforeBranch: 'main',
    afterBranch: 'main',
  })
})
