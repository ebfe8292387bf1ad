import { createHash } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCheck } from '../../../src/hostlink/daemon/config/check.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostlinkd-check-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const gid = process.getgid?.() ?? 0

async function check(settings: string) {
  const file = join(folder, 'h.conf')
  const own = `unix_group = ${gid}\nunix_path = ${folder}/run/h.sock\noutput_tmpdir = ${folder}/out\n`
  const text = settings.replaceAll('$', folder)
  const keys = new Set(text.split('\n').map(line => line.split(' = ')[0]))
  const kept = own.split('\n').filter(line => !keys.has(line.split(' = ')[0]))
  writeFileSync(file, [text, ...kept].join('\n'), { mode: 0o600 })
  let said = ''
  const say = (more: string) => {
    said += more
  }
  const io = { out: say, err: say, env: process.env, uid: 0, program: [] }
  return {
    code: await runCheck(['-c', file], io),
    said: said.replaceAll(folder, '').split('\n').slice(0, -1),
  }
}

const TOKEN = 'auth_token = 0123456789abcdef0123'

test('a config that is fine', async () => {
  expect(await check(TOKEN)).toEqual({ code: 0, said: ['/h.conf: fine, 0 warnings'] })
})

test('warnings do not make it fail', async () => {
  expect(await check('auth_token = short\nmax_job = 1')).toEqual({
    code: 0,
    said: [
      'warning: /h.conf:2: max_job: is not a known key, and is ignored',
      'hint: did you mean max_jobs?',
      'warning: /h.conf:1: auth_token: has 5 bytes and can be guessed',
      'hint: make one with: openssl rand -hex 32',
      '/h.conf: fine, 2 warnings',
    ],
  })
})

test('everything that is wrong with what it names, all at once', async () => {
  writeFileSync(join(folder, 'file'), '')
  const settings = `auth_token_file = $/none
shell = $/file
unix_group = no-such-group
run_as_user = no-such-user
output_tmpdir = $/file/out
log_target = $/file/log
audit_log = $/file/audit
policy_file = $/policy.yaml`
  expect(await check(settings)).toEqual({
    code: 1,
    said: [
      '/h.conf:1: auth_token_file: /none: no such file or directory',
      '/h.conf:8: policy_file: /policy.yaml: no such file or directory',
      '/h.conf:3: unix_group: there is no group no-such-group',
      'hint: groupadd --system no-such-group',
      '/h.conf:2: shell: cannot be executed: /file',
      'hint: shell = /bin/sh',
      '/h.conf:4: run_as_user: there is no user no-such-user',
      'hint: useradd --system no-such-user',
      '/h.conf:5: output_tmpdir: /file is not a folder',
      '/h.conf:6: log_target: /file is not a folder',
      '/h.conf:7: audit_log: /file is not a folder',
      '/h.conf: 8 problems, 0 warnings',
    ],
  })
})

test('a key that is mistyped is told beside a value that is wrong', async () => {
  expect(
    await check('auth_token = 0123456789abcdef\nmax_timeuot_ms = 5\nmax_concurrent = many'),
  ).toMatchObject({
    code: 1,
    said: expect.arrayContaining([
      expect.stringContaining('max_concurrent: "many" is not a whole number'),
      expect.stringMatching(/^warning: .*max_timeuot_ms: is not a known key/),
      '/h.conf: 1 problem, 1 warning',
    ]),
  })
})

test('folders that others can change', async () => {
  for (const name of ['run', 'out']) {
    mkdirSync(join(folder, name))
    chmodSync(join(folder, name), 0o777)
  }
  expect(await check(TOKEN)).toEqual({
    code: 1,
    said: [
      '/h.conf:3: unix_path: /run can be changed by every user of this machine: another socket could stand in for this one',
      'hint: chmod o-w /run',
      '/h.conf:4: output_tmpdir: /out can be changed by others than its owner',
      'hint: chmod go-w /out',
      '/h.conf: 2 problems, 0 warnings',
    ],
  })
})

test('rules that open everything, and rules that allow nothing', async () => {
  writeFileSync(join(folder, 'agent'), 'x'.repeat(32), { mode: 0o600 })
  writeFileSync(
    join(folder, 'policy.yaml'),
    `tokens:
  agent:
    token_file: ${folder}/agent
    policy: allowlist
    allow:
      - binary: /bin/sh
      - argv: [env, "**"]
      - argv: [sh, /opt/deploy.sh]
      - binary: /bin/true
      - argv: [no-such-program]
`,
  )
  expect(await check(`${TOKEN}\npolicy_file = $/policy.yaml`)).toEqual({
    code: 0,
    said: [
      'warning: /policy.yaml:6: tokens.agent.allow: /bin/sh runs other programs, and only those that the rule names: it allows none',
      'hint: say which arguments: argv: [sh, ...]',
      'warning: /policy.yaml:7: tokens.agent.allow: env runs other programs, and only those that the rule names: it allows none',
      'hint: say which arguments: argv: [env, ...]',
      'warning: /policy.yaml:10: tokens.agent.allow: there is no program no-such-program here: the rule allows nothing',
      '/h.conf: fine, 3 warnings',
    ],
  })
})

test('rules whose folder the client may choose, where it decides what the command does', async () => {
  writeFileSync(join(folder, 'agent'), 'x'.repeat(32), { mode: 0o600 })
  writeFileSync(
    join(folder, 'policy.yaml'),
    `tokens:
  agent:
    token_file: ${folder}/agent
    policy: allowlist
    allow:
      - argv: [git, status]
      - argv: [git, status]
        workdir: /srv/openclaw
      - argv: [git, -C, /srv/openclaw, status]
      - argv: [find, "*", -newer, x]
      - argv: [find, -name, --file=/x]
      - argv: [uname, -a]
      - binary: /usr/bin/git
`,
  )
  expect(await check(`${TOKEN}\npolicy_file = $/policy.yaml`)).toEqual({
    code: 0,
    said: [
      'warning: /policy.yaml:6: tokens.agent.allow: has no workdir: the client chooses the folder that git works in',
      'hint: say which one: workdir: /srv/openclaw',
      'warning: /policy.yaml:10: tokens.agent.allow: has no workdir: the client chooses the folder that find works in',
      'hint: say which one: workdir: /srv/openclaw',
      'warning: /policy.yaml:13: tokens.agent.allow: /usr/bin/git with any arguments can do nearly everything on this host',
      'hint: say which arguments: argv: [git, ...]',
      'warning: /policy.yaml:13: tokens.agent.allow: has no workdir: the client chooses the folder that /usr/bin/git works in',
      'hint: say which one: workdir: /srv/openclaw',
      '/h.conf: fine, 4 warnings',
    ],
  })
})

test('rules whose variables make another command of the allowed one', async () => {
  writeFileSync(join(folder, 'agent'), 'x'.repeat(32), { mode: 0o600 })
  const named = ['PATH', 'LD_PRELOAD', 'GIT_SSH_COMMAND', 'DOCKER_HOST', 'COMPOSE_FILE', 'HOME', 'BASH_ENV']
  const harmless = ['LANG', 'GIT_TERMINAL_PROMPT', 'GIT_AUTHOR_NAME', 'TZ', 'IMAGE_TAG', 'OLD_PATH']
  const rule = { argv: ['uname', '-a'], env: [...harmless, ...named] }
  const agent = { token_file: join(folder, 'agent'), policy: 'allowlist', allow: [rule] }
  writeFileSync(join(folder, 'policy.yaml'), JSON.stringify({ tokens: { agent } }))
  const { code, said } = await check(`${TOKEN}\npolicy_file = $/policy.yaml`)
  expect(code).toBe(0)
  const at = 'warning: /policy.yaml:1: tokens.agent.allow: '
  expect(said.filter((_, line) => line % 2 === 0).slice(0, -1)).toEqual([
    `${at}lets the client set PATH: the command and whatever it starts are then other programs`,
    `${at}lets the client set LD_PRELOAD: it names code that is run along with the command`,
    `${at}lets the client set GIT_SSH_COMMAND: it makes git run programs, or work on another checkout`,
    `${at}lets the client set DOCKER_HOST: it names another engine, which the client may run itself`,
    `${at}lets the client set COMPOSE_FILE: it makes compose work with other files, which may start any container, or on another stack`,
    `${at}lets the client set HOME: it names a folder with configuration, which names programs to run`,
    `${at}lets the client set BASH_ENV: it names code that is run along with the command`,
  ])
  expect(said[1]).toBe('hint: take PATH out of env')
})

test.runIf(gid === 0)('files that others can change or read, at their place', async () => {
  const token = join(folder, 'token')
  writeFileSync(token, 'x'.repeat(32))
  chmodSync(token, 0o644)
  const settings = 'max_jobs = 5\nauth_token_file = $/token'
  expect(await check(settings)).toEqual({
    code: 1,
    said: [
      '/h.conf:2: auth_token_file: /token: can be read by every user of this machine',
      'hint: chmod o-r /token',
      '/h.conf: 1 problem, 0 warnings',
    ],
  })
  chmodSync(token, 0o600)
  chownSync(token, 65534, 0)
  expect(await check(settings)).toEqual({
    code: 0,
    said: [
      'warning: /h.conf:2: auth_token_file: /token: belongs to uid 65534, who can change it',
      'hint: chown root /token',
      '/h.conf: fine, 1 warning',
    ],
  })
})

test('a config that is not there', async () => {
  let said = ''
  const say = (more: string) => {
    said += more
  }
  const io = { out: say, err: say, env: {}, uid: 0, program: [] }
  expect(await runCheck(['--config', '/no/such.conf'], io)).toBe(1)
  expect(said).toBe(
    '/no/such.conf: no such file or directory\nhint: write one with: hostlinkd init\n/no/such.conf: 1 problem, 0 warnings\n',
  )
})

const GRANTS = `${TOKEN}\npolicy_file = $/policy.yaml\nplaybooks_dir = $/books`
const digest = (text: string) => createHash('sha256').update(text).digest('hex')

function grant(playbooks: object[]): void {
  writeFileSync(join(folder, 'token'), 'agent-token-0123456789', { mode: 0o600 })
  const agent = { token_file: join(folder, 'token'), policy: 'playbooks', playbooks }
  writeFileSync(join(folder, 'policy.yaml'), JSON.stringify({ tokens: { agent } }), { mode: 0o600 })
}

function install(name: string, text: string): void {
  mkdirSync(join(folder, 'books'), { recursive: true })
  writeFileSync(join(folder, 'books', `${name}.yaml`), text)
}

test('playbooks that nobody can run: broken, not there, changed since the review, no digest at all', async () => {
  install('broken', 'broken')
  install('changed', 'changed')
  grant([
    { name: 'broken', digest: `sha256:${digest('broken')}` },
    { name: 'changed', digest: digest('as it was') },
    { name: 'missing', digest: digest('missing') },
  ])
  const { code, said } = await check(GRANTS)
  expect(code).toBe(1)
  expect(said).toEqual([
    '/policy.yaml: tokens.agent.playbooks: /books/changed.yaml is not the changed that was reviewed: it has another digest',
    `hint: review it again, then write digest: sha256:${digest('changed')}`,
    expect.stringMatching(
      /^\/policy\.yaml: tokens\.agent\.playbooks: there is no playbook missing in \/books, /,
    ),
    'hint: put missing.yaml into /books, or name another folder: playbooks_dir',
    '/policy.yaml: tokens.agent.playbooks: broken has mistakes: no run of it can begin',
    'hint: hostops validate /books/broken.yaml',
    '/h.conf: 3 problems, 0 warnings',
  ])
  grant([{ name: 'broken' }])
  expect((await check(GRANTS)).said[0]).toContain('digest: is missing')
})

test('grants that allow more, or less, than they look: folders and addresses left to the caller, pins of nothing', async () => {
  const text = JSON.stringify({
    ...{ hostops: 1, name: 'up', steps: [{ run: ['true'] }] },
    inputs: {
      repo: { type: 'path' },
      dir: { type: 'path', default: '/srv' },
      within: { type: 'path', pattern: '/srv/[a-z]+' },
      base: { type: 'url' },
      ref: { type: 'ref' },
    },
  })
  install('up', text)
  grant([{ name: 'up', digest: digest(text), pinned: { repo: '/srv/app', bse: 'http://127.0.0.1' } }])
  const { code, said } = await check(GRANTS)
  expect(code).toBe(1)
  const at = '/policy.yaml: tokens.agent.playbooks: '
  expect(said).toEqual([
    `${at}up has no input bse, so that every run of it is refused`,
    'hint: did you mean base?',
    expect.stringMatching(`^warning: ${at}the caller chooses dir of up: a folder`),
    'hint: fix it: pinned: { dir: ... }',
    expect.stringMatching(`^warning: ${at}the caller chooses base of up: the host asks`),
    'hint: fix it: pinned: { base: ... }',
    '/h.conf: 1 problem, 2 warnings',
  ])
})
