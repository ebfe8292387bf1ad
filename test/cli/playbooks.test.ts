/** validate, list, show, schema and init on the real binary, in a scratch folder. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const bin = fileURLToPath(new URL('../../dist/hostops.cjs', import.meta.url))
let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hostops-cli-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function hostops(...args: string[]) {
  const env = { PATH: process.env['PATH'], HOME: root }
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    cwd: root,
    env,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}
const put = (file: string, text: string) => writeFileSync(join(root, file), text)

test('init writes a playbook that validates, and overwrites nothing', () => {
  expect(hostops('init')).toMatchObject({ status: 0, stdout: '' })
  expect(hostops('validate', 'playbook.yaml')).toEqual({
    status: 0,
    stdout: '',
    stderr: '1 playbook: valid\n',
  })
  put('playbook.yaml', 'mine')
  expect(hostops('init')).toMatchObject({ status: 2, stderr: expect.stringContaining('--force') })
  expect(readFileSync(join(root, 'playbook.yaml'), 'utf8')).toBe('mine')
  expect(hostops('init', 'playbook.yaml', '--force')).toMatchObject({ status: 0 })
  expect(hostops('validate', 'playbook.yaml')).toMatchObject({ status: 0 })
  expect(hostops('init', 'no/folder.yaml')).toMatchObject({ status: 2 })
})

test('validate tells all mistakes of all files, in three forms', () => {
  put('a.yaml', 'hostops: 1\nname: a\nsteps:\n  - uses: git.fetsh\n')
  put('b.yaml', '')
  const text = hostops('validate', 'a.yaml', 'b.yaml', 'missing.yaml', 'upgrade-openclaw')
  expect(text.status).toBe(2)
  expect(text.stdout).toContain(
    'a.yaml:4:11: error: there is no step kind `git.fetsh`\n4 |   - uses: git.fetsh\n  |           ^^^^^^^^^\nhint: did you mean `git.fetch`?\n',
  )
  expect(text.stdout).toContain('b.yaml:1:1: error: the file is empty')
  expect(text.stdout).toContain('missing.yaml:1:1: error:')
  expect(text.stderr).toBe('4 playbooks: 3 errors\n')
  const json = hostops('validate', 'a.yaml', '--format', 'json')
  expect(JSON.parse(json.stdout)).toMatchObject({ valid: false, errors: 1, files: [{ file: 'a.yaml' }] })
  expect(hostops('validate', 'a.yaml', '--format', 'github').stdout).toMatch(
    /^::error file=a\.yaml,line=4,col=11,/,
  )
  expect(hostops('validate', 'a.yaml', '--format', 'xml')).toMatchObject({ status: 2, stdout: '' })
})

test('list and show tell what there is and where values come from', () => {
  mkdirSync(join(root, 'playbooks'))
  put('playbooks/broken.yaml', 'steps: [\n')
  put(
    'hostops.config.yaml',
    'target: hostlink:desk\ninputs: { upgrade-openclaw: { repoPath: /srv/openclaw } }\n',
  )
  const listed = hostops('list')
  expect(listed.status).toBe(0)
  expect(listed.stdout).toMatch(/^broken +here +broken: /m)
  expect(listed.stdout).toMatch(/^upgrade-openclaw +shipped +Upgrade the OpenClaw gateway/m)
  const json = JSON.parse(hostops('list', '--json').stdout)
  expect(json.find((each: { name: string }) => each.name === 'upgrade-openclaw').inputs[0]).toEqual({
    name: 'repoPath',
    type: 'path',
    description: 'Checkout of the stack, on the host',
    from: 'settings',
    value: '/srv/openclaw',
  })
  const shown = hostops('show', 'upgrade-openclaw')
  expect(shown.stdout).toMatch(/^ {2}repoPath +path +\/srv\/openclaw \(settings\)/m)
  expect(shown.stdout).toMatch(/^ {2}ref +ref +main \(default\)/m)
  expect(shown.stdout).toMatch(/^target +hostlink:desk \(settings\)/m)
  expect(hostops('show', 'upgrade-opnclaw')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('did you mean'),
  })
  expect(hostops('show', 'broken')).toMatchObject({ status: 2, stdout: '' })
})

test('a name that ships means what ships, whatever the current folder holds', () => {
  mkdirSync(join(root, 'playbooks'))
  const text = 'hostops: 1\nname: NAME\nsteps: [{ id: a, run: [rm, -rf, /srv] }]\n'
  for (const name of ['upgrade-openclaw', 'own']) put(`playbooks/${name}.yaml`, text.replace('NAME', name))
  const listed = hostops('list').stdout
  expect(listed).toMatch(/^upgrade-openclaw +shipped /m)
  expect(listed).toMatch(/^own +here\b/m)
  expect(hostops('show', 'upgrade-openclaw').stdout).toContain('repoPath')
  expect(hostops('list', '--playbooks', 'playbooks').stdout).toMatch(/^upgrade-openclaw +--playbooks\b/m)
})

test('schema prints the schemas that ship', () => {
  for (const name of ['playbook', 'report', 'config', 'journal']) {
    const schema = readFileSync(new URL(`../../schemas/${name}.schema.json`, import.meta.url), 'utf8')
    expect(hostops('schema', name)).toEqual({ status: 0, stdout: schema, stderr: '' })
  }
  expect(hostops('schema', 'nothing')).toMatchObject({ status: 2, stdout: '' })
})
