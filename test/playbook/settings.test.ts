import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { renderDiagnostics } from '../../src/document/print-diagnostics.ts'
import { findNamedPlaybook, findPlaybook, listPlaybooks } from '../../src/playbook/catalog.ts'
import { describeInputs } from '../../src/playbook/describe.ts'
import { loadSettings, parseSettings } from '../../src/playbook/settings.ts'
import { kinds } from '../../src/steps/index.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hostops-settings-'))
  for (const folder of [
    'home',
    'work/deep/er',
    'books',
    'env',
    'work/playbooks',
    'home/.config/hostops/playbooks',
  ]) {
    mkdirSync(join(root, folder), { recursive: true })
  }
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const put = (file: string, text: string) => writeFileSync(join(root, file), text)
const book = (name: string) =>
  `hostops: 1\nname: ${name}\ndescription: about ${name}\nsteps:\n  - run: [date]\n`
const env = () => ({ HOME: join(root, 'home') })
const settings = (cwd: string, more: object = {}) =>
  loadSettings({ env: env(), cwd: join(root, cwd), ...more })

describe('settings', () => {
  test('--config, HOSTOPS_CONFIG, the nearest one upwards, the user’s: the first that exists', () => {
    const target = (loaded: ReturnType<typeof settings>) =>
      loaded.ok ? loaded.settings.target : loaded.diagnostics
    expect(settings('work')).toMatchObject({ ok: true, settings: { file: null, inputs: {}, pinned: {} } })
    put('home/.config/hostops/hostops.config.yaml', 'target: user\n')
    expect(target(settings('work/deep/er'))).toBe('user')
    put('work/hostops.config.yaml', 'target: upwards\n')
    expect(target(settings('work/deep/er'))).toBe('upwards')
    put('env.yaml', 'target: env\n')
    const withEnv = { env: { ...env(), HOSTOPS_CONFIG: join(root, 'env.yaml') } }
    expect(target(settings('work/deep/er', withEnv))).toBe('env')
    put('work/flag.yaml', 'target: flag\n')
    expect(target(settings('work', { ...withEnv, config: 'flag.yaml' }))).toBe('flag')
    expect(settings('work', { config: 'nowhere.yaml' })).toMatchObject({ ok: false })
    expect(settings('work', { config: '.' })).toMatchObject({ ok: false })
  })

  test('folders are relative to the file', () => {
    const loaded = parseSettings(
      'playbooks: books\nstateDir: ~/state\nkeepRuns: 5\n',
      '/etc/hostops/x.yaml',
      { HOME: '/root' },
    )
    expect(loaded).toMatchObject({
      ok: true,
      settings: { playbooks: '/etc/hostops/books', stateDir: '/root/state', keepRuns: 5 },
    })
  })

  test('mistakes are shown on their characters', () => {
    const loaded = parseSettings(
      'taget: local\nkeepRuns: 0\npinned: { a: { b: [1] } }\nstateDir: 5\n',
      'c.yaml',
      {},
    )
    expect(loaded.ok).toBe(false)
    if (!loaded.ok) {
      expect(
        renderDiagnostics(loaded.diagnostics, 'text'),
      ).toBe(`c.yaml:1:1: error: the key \`taget\` is not known
1 | taget: local
  | ^^^^^
hint: did you mean \`target\`?

c.yaml:2:11: error: \`keepRuns\` must be at least 1
2 | keepRuns: 0
  |           ^

c.yaml:3:19: error: \`b\` must be text or a number or true or false, not a list
3 | pinned: { a: { b: *** } }
  |                   ^^^

c.yaml:4:11: error: \`stateDir\` must be text, not a number
4 | stateDir: 5
  |           ^
hint: put it in quotes: "5"
`)
    }
  })

  test('an empty file changes nothing', () => {
    expect(parseSettings('', 'c.yaml', {})).toMatchObject({ ok: true, settings: { inputs: {}, pinned: {} } })
  })
})

describe('named playbooks', () => {
  const options = (more: object = {}) => ({
    env: { ...env(), HOSTOPS_PLAYBOOKS: join(root, 'env') },
    cwd: join(root, 'work'),
    playbooks: join(root, 'books'),
    ...more,
  })
  const where = (name: string) => {
    const found = findPlaybook(name, options())
    return found.ok ? found.file.slice(root.length + 1) : found.failure
  }

  test('the first folder that has the name wins', () => {
    const of = (name: string) => {
      const found = findPlaybook(name, options({ settings: { playbooks: join(root, 'set') } }))
      return found.ok ? found.file.slice(root.length + 1) : found.failure
    }
    mkdirSync(join(root, 'set'))
    for (const folder of ['work/playbooks', 'home/.config/hostops/playbooks', 'set', 'env', 'books']) {
      put(`${folder}/mine.yaml`, book('mine'))
      expect(of('mine')).toBe(`${folder}/mine.yaml`)
    }
    const own = 'home/.config/hostops/playbooks/restart-service.yaml'
    put(own, book('restart-service'))
    expect(where('restart-service')).toBe(own)
    rmSync(join(root, own))
    expect(listPlaybooks(options(), kinds).map(({ name, origin }) => [name, origin])).toEqual([
      ['mine', '--playbooks'],
      ['restart-service', 'shipped'],
      ['upgrade-openclaw', 'shipped'],
    ])
  })

  test('a broken one hides no other', () => {
    put('books/a.yaml', book('a'))
    put('books/b.yaml', 'steps: [\n')
    put('books/c.yml', book('c'))
    mkdirSync(join(root, 'books/d.yaml'))
    symlinkSync('nowhere', join(root, 'books/e.yaml'))
    symlinkSync('f.yaml', join(root, 'books/f.yaml'))
    put('books/.hidden.yaml', book('hidden'))
    put('books/notes.txt', 'x')
    const listed = listPlaybooks(options(), kinds).filter(entry => entry.origin === '--playbooks')
    expect(listed.map(entry => [entry.name, entry.ok])).toEqual([
      ['a', true],
      ['b', false],
      ['c', true],
      ['d', false],
      ['e', false],
      ['f', false],
    ])
  })

  test('a link to a playbook elsewhere is one', () => {
    put('real.yaml', book('real'))
    symlinkSync(join(root, 'real.yaml'), join(root, 'books/linked.yaml'))
    expect(where('linked')).toBe('books/linked.yaml')
  })

  test.each([
    '../real',
    '..',
    '.',
    'a/b',
    'a\\b',
    '/etc/passwd',
    'a\u0000b',
    '',
    'x'.repeat(100),
    '-x',
    'real.yaml',
  ])('the name %j does not leave the folders', name => {
    put('real.yaml', book('real'))
    expect(findNamedPlaybook(name, options())).toMatchObject({
      ok: false,
      failure: { code: 'playbook-not-found' },
    })
  })

  test('did you mean', () => {
    put('books/deploy.yaml', book('deploy'))
    expect(where('depoly')).toMatchObject({ code: 'playbook-not-found', suggestion: 'deploy' })
  })

  test('a path is a file, relative to where one is', () => {
    put('work/x.yaml', book('x'))
    expect(findPlaybook('x.yaml', options())).toMatchObject({ ok: true, file: 'x.yaml' })
    expect(findPlaybook('./x.yaml', options())).toMatchObject({ ok: true })
    expect(findPlaybook('./nowhere.yaml', options())).toMatchObject({ ok: false })
    expect(findPlaybook('./deep/', options())).toMatchObject({ failure: { code: 'playbook-unreadable' } })
  })
})

test('each input tells where its value comes from, secrets never', () => {
  put(
    'books/x.yaml',
    `hostops: 1
name: x
inputs:
  must: { type: path }
  may: { type: string, optional: true }
  set: { type: string, default: a }
  given: { type: string, default: a }
  fixed: { type: string }
  token: { type: secret }
  made: { type: path, default: "\${{ inputs.must }}/x" }
steps: [{ run: [echo, "\${{ inputs.must + inputs.set + inputs.given + inputs.fixed + inputs.token + inputs.made }}", "may: \${{ inputs.may == null }}"] }]
`,
  )
  const entry = listPlaybooks({ env: {}, cwd: root, playbooks: 'books' }, kinds).find(
    each => each.name === 'x',
  )
  if (!entry?.ok) throw new Error('broken')
  const described = describeInputs(entry.playbook, {
    inputs: { x: { given: 'b' } },
    pinned: { x: { fixed: 'c', token: 'hunter2' } },
  })
  expect(described.map(({ name, from, value }) => [name, from, value])).toEqual([
    ['must', 'caller', null],
    ['may', 'none', null],
    ['set', 'default', 'a'],
    ['given', 'settings', 'b'],
    ['fixed', 'pinned', 'c'],
    ['token', 'pinned', '***'],
    ['made', 'default', '${{ inputs.must }}/x'],
  ])
})
