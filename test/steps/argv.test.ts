/** The exact command lines that the builders make. */
import { expect, test } from 'vitest'
import { fetchArgs } from '../../src/steps/git/fetch.ts'
import { batchModeSsh, gitArgv, gitWords, repoAt, unquoted } from '../../src/steps/git/git.ts'
import { curlArgv } from '../../src/steps/health/curl.ts'
import { kinds } from '../../src/steps/index.ts'

const GIT = [
  'git',
  '--no-replace-objects',
  '-c',
  'core.useReplaceRefs=false',
  '-c',
  'safe.directory=',
  '-c',
  'core.hooksPath=/dev/null',
  '-c',
  'core.fsmonitor=false',
  '-c',
  'protocol.ext.allow=never',
  '-c',
  'core.quotePath=true',
  '-c',
  'advice.detachedHead=false',
  '-c',
  'submodule.recurse=false',
  '--git-dir=/srv/app/.git',
  '--work-tree=/srv/app',
  '-C',
  '/srv/app',
]

function planned(uses: string, given: object) {
  const kind = kinds[uses]!
  const input = kind.schema().parse(given)
  return {
    do: kind.plan.commands(input),
    undo: kind.plan.undoCommands?.(input) ?? [],
    effect: kind.plan.effect(input),
  }
}

test('git: every command names the repository and keeps the user’s settings from running programs', () => {
  expect(gitArgv(repoAt('/srv/app'), ['status'])).toEqual([...GIT, 'status'])
})

test('git: it is executed in the folder, by no name that could lead elsewhere', () => {
  const words = gitWords(repoAt('/srv/app'), ['status'])
  expect([words[0], ...words.slice(3, 6)]).toEqual(['sh', 'hostops-git', '/srv/app', 'git'])
  expect(words.slice(-3)).toEqual(['--git-dir=.git', '--work-tree=.', 'status'])
  expect(words.slice(6).join(' ')).not.toContain('/srv/app')
  const module = gitWords(repoAt('/srv/app'), ['-c', 'a.b=c', 'submodule', 'sync'])
  expect(module.filter(word => word.startsWith('--git-dir'))).toEqual([])
  expect(gitWords(repoAt('C:/app'), ['status'])).toEqual(gitArgv(repoAt('C:/app'), ['status']))
})

test('git fetch', () => {
  expect(fetchArgs({ remote: 'origin', prune: true }, ['+a:b'], 3)).toEqual([
    '-c',
    'core.logAllRefUpdates=always',
    'fetch',
    '--no-tags',
    '--refmap=',
    '--no-write-fetch-head',
    '--no-auto-maintenance',
    '--no-recurse-submodules',
    '--no-progress',
    '--prune',
    '--depth=3',
    '--end-of-options',
    'origin',
    '+a:b',
  ])
})

test('ssh never asks', () => {
  expect(batchModeSsh('')).toBe('ssh -o BatchMode=yes')
  expect(batchModeSsh('ssh -i "a b"')).toBe('ssh -i "a b" -o BatchMode=yes')
  expect(batchModeSsh('C:/plink.exe')).toBe('C:/plink.exe -batch')
})

test('git.checkout of a branch, and its way back', () => {
  const sha = { unknown: 'the commit of main after the fetch' }
  const old = { unknown: 'the commit before the run' }
  const tip = { unknown: 'its tip' }
  const steps = (to: object) => [
    { argv: [...GIT, 'checkout', '--no-overwrite-ignore', '--no-progress', '--detach', to] },
    { argv: [...GIT, 'update-ref', '--create-reflog', 'refs/heads/main', to, tip] },
    { argv: [...GIT, 'symbolic-ref', '-m', 'hostops: back on the branch', 'HEAD', 'refs/heads/main'] },
    { argv: [...GIT, 'submodule', 'sync', '--recursive'] },
    { argv: [...GIT, 'submodule', 'update', '--init', '--recursive'] },
  ]
  expect(planned('git.checkout', { repo: '/srv/app/', ref: 'main' })).toEqual({
    do: steps(sha),
    undo: steps(old),
    effect: 'write',
  })
})

test('git.checkout of a commit moves no branch', () => {
  const ref = 'a'.repeat(40)
  expect(planned('git.checkout', { repo: '/srv/app', ref, submodules: false }).do).toEqual([
    { argv: [...GIT, 'checkout', '--no-overwrite-ignore', '--no-progress', '--detach', `${ref}^0`] },
  ])
})

test('git.dirty-check', () => {
  const status = [
    'status',
    '--porcelain=v2',
    '--untracked-files=normal',
    '--ignore-submodules=dirty',
    '--no-renames',
  ]
  expect(planned('git.dirty-check', { repo: '/srv/app', ignore: ['-x'] }).do).toEqual([
    { argv: [...GIT, ...status, '--', ':(top,exclude,glob)-x'] },
    { argv: [...GIT, 'ls-files', '-v', '--stage', '--', ':(top,exclude,glob)-x'] },
  ])
})

test('names that git has quoted', () => {
  expect(unquoted('plain')).toBe('plain')
  expect(unquoted('"a\\nb\\t\\"c\\" \\\\ \\303\\274"')).toBe('a\nb\t"c" \\ ü')
})

test('curl', () => {
  const url = 'http://127.0.0.1:1/-o[1-3]{a}'
  expect(curlArgv({ url, timeoutMs: 1500 })).toEqual([
    'curl',
    '-q',
    '-sS',
    '--globoff',
    '--proto',
    '=http,https',
    '--max-redirs',
    '0',
    '--connect-timeout',
    '1.5',
    '--max-time',
    '1.5',
    '--noproxy',
    '*',
    '-w',
    '%{stderr}\nhostops-http %{http_code}\n',
    '--url',
    url,
  ])
  const post = curlArgv({
    url: 'https://h/',
    timeoutMs: 1,
    headers: { A: 'b' },
    body: '@/etc/passwd',
  })
  expect(post[0]).toBe('curl')
  expect(post).not.toContain('--noproxy')
  expect(post.join(' ')).toContain('-H A: b --data-raw @/etc/passwd')
})

const COMPOSE = ['docker', 'compose', '--ansi', 'never', '--progress', 'plain']
const IN_DIR = ['--project-directory', '/srv/app']

test('compose.build and its way back', () => {
  const given = { dir: '/srv/app/', services: ['gateway'], files: ['a.yaml', '/b.yaml'], project: 'p' }
  const shared = ['-f', '/srv/app/a.yaml', '-f', '/b.yaml', ...IN_DIR, '-p', 'p']
  const more = { unknown: 'the services with build: that these depend on' }
  const build = [...COMPOSE, ...shared, '--profile', 'dev', 'build', '--pull', 'gateway', more]
  expect(planned('compose.build', { ...given, profiles: ['dev'], pull: true })).toEqual({
    do: [{ argv: build, cwd: '/srv/app/' }],
    undo: TAGGED_BACK,
    effect: 'write',
  })
})

const TAGGED_BACK = [
  { argv: ['docker', 'tag', { unknown: 'the image kept before' }, { unknown: 'its name' }] },
]

test('image.build, compose.pull and env.set', () => {
  const args = { args: { A: 'x y' }, argsFrom: ['B'], context: 'sub', noCache: true }
  const build = ['docker', 'build', '-t', 'app:1', '-f', '/srv/app/sub/Dockerfile', '--build-arg', 'A=x y']
  expect(planned('image.build', { dir: '/srv/app', tag: 'app:1', ...args })).toEqual({
    do: [{ argv: [...build, '--build-arg', 'B', '--no-cache', '/srv/app/sub'], cwd: '/srv/app' }],
    undo: TAGGED_BACK,
    effect: 'write',
  })
  const file = ['-f', '/etc/Dockerfile', '/srv/app']
  expect(planned('image.build', { dir: '/srv/app', file: '/etc/Dockerfile' }).do[0]?.argv).toEqual([
    ...['docker', 'build', '-t', { unknown: 'the image that the services use' }, ...file],
  ])
  const pull = { dir: '/srv/app', image: 'registry.example/app:2', variable: 'IMAGE' }
  expect(planned('compose.pull', pull)).toEqual({
    do: [{ argv: ['docker', 'pull', '--', 'registry.example/app:2'], cwd: '/srv/app' }],
    undo: TAGGED_BACK,
    effect: 'write',
  })
  const set = planned('env.set', { dir: '/srv/app', set: { KEY: 'the value' } })
  expect(set).toMatchObject({ do: [{ argv: [{ unknown: 'sets KEY in /srv/app/.env' }] }], effect: 'write' })
  expect(JSON.stringify(set)).not.toContain('the value')
})

test('compose.up and its way back', () => {
  const up = [...COMPOSE, ...IN_DIR, 'up', '-d', '--no-build', '--pull']
  expect(planned('compose.up', { dir: '/srv/app', services: ['a', 'b'], removeOrphans: true })).toEqual({
    do: [{ argv: [...up, 'missing', '--remove-orphans', 'a', 'b'], cwd: '/srv/app' }],
    undo: [{ argv: [...up, 'never', 'a', 'b'], cwd: '/srv/app' }],
    effect: 'disrupt',
  })
})

test('compose.rollout and its way back', () => {
  const scale = { unknown: 'a=N: its containers and as many new ones' }
  const given = { dir: '/srv/app', services: ['a'], switch: ['/sbin/switch', 'x'] }
  const up = (pull: string) => [...COMPOSE, ...IN_DIR, 'up', '-d', '--no-build', '--pull', pull]
  const beside = (pull: string, leaving: string) => [
    { argv: [...up(pull), '--no-recreate', '--scale', scale, 'a'], cwd: '/srv/app' },
    { argv: ['/sbin/switch', 'x'], cwd: '/srv/app' },
    { argv: ['docker', 'stop', { unknown: leaving }] },
    { argv: ['docker', 'rm', { unknown: leaving }] },
  ]
  const first = {
    argv: [...up('missing'), { unknown: 'the services that these depend on' }],
    cwd: '/srv/app',
  }
  expect(planned('compose.rollout', given)).toEqual({
    do: [first, ...beside('missing', 'the old containers')],
    undo: beside('never', 'the new containers'),
    effect: 'disrupt',
  })
  expect(kinds['compose.rollout']!.schema().safeParse({ dir: '/srv/app', services: [] }).success).toBe(false)
})

test('compose.logs and compose.exec', () => {
  expect(planned('compose.logs', { dir: '/srv/app', tail: 5, since: '10m' }).do[0]?.argv).toEqual([
    ...[...COMPOSE, ...IN_DIR, 'logs', '--no-color', '--tail', '5', '--since', '10m'],
  ])
  const exec = { dir: '/srv/app', service: 'db', user: 'a:b', workdir: '/x', index: 2, argv: ['-x', '$(y)'] }
  expect(planned('compose.exec', exec).do[0]?.argv).toEqual([
    ...[
      'docker',
      '--log-level',
      'error',
      ...COMPOSE.slice(1),
      ...IN_DIR,
      'exec',
      '-T',
      '--user',
      'a:b',
      '--workdir',
      '/x',
      '--index',
      '2',
    ],
    ...['db', '-x', '$(y)'],
  ])
})

test.each(['-x', '--all', '', 'a b', 'a;b', '../x'])('%j is no service', name => {
  expect(kinds['compose.up']!.schema().safeParse({ dir: '/srv/app', services: [name] }).success).toBe(false)
})

test('notify', () => {
  expect(planned('notify', { message: 'done', command: ['mail', 'me'] }).do).toEqual([
    { argv: ['mail', 'me'] },
  ])
  const hook = planned('notify', { message: '"; x', url: 'https://h/x' }).do[0]?.argv
  const body = '{"text":"\\"; x","message":"\\"; x","runId":"RUN","step":"STEP"}'
  expect(hook).toContain(body)
  for (const given of [{}, { command: ['a'], url: 'https://h' }]) {
    expect(kinds['notify']!.schema().safeParse({ message: 'x', ...given }).success).toBe(false)
  }
})

test('command and script', () => {
  expect(planned('command', { argv: ['a', '$(b)'], undo: ['c'], reactivate: true })).toEqual({
    do: [{ argv: ['a', '$(b)'] }],
    undo: [{ argv: ['c'] }, { argv: ['a', '$(b)'] }],
    effect: 'write',
  })
  const text = 'echo "$X"; exit 3'
  expect(
    planned('script', { script: text, undo: { script: 'x', shell: 'bash' }, effect: 'disrupt' }),
  ).toEqual({
    do: [{ argv: ['sh', '-c', text] }],
    undo: [{ argv: ['bash', '-c', 'x'] }],
    effect: 'disrupt',
  })
  expect(planned('script', { script: text, shell: 'pwsh' }).do[0]?.argv).toEqual([
    'pwsh',
    '-NoProfile',
    '-NonInteractive',
    '-Command',
    text,
  ])
})

test('a script that holds an expression is refused', () => {
  const parsed = kinds['script']!.schema().safeParse({ script: 'echo\n${{ inputs.ref }}' })
  expect(parsed.error?.issues[0]?.message).toContain('env:')
})
