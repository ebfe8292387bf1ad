import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runService } from '../../../src/host/service.ts'
import { runCheck } from '../../../src/hostlink/daemon/check.ts'
import { startDaemon } from '../../../src/hostlink/daemon/main.ts'

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
    code: await runCheck(['-c', file], io, runService),
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

/** Rules of the token `agent`, one a line from line 6 on. */
function allow(...rules: string[]): string {
  writeFileSync(join(folder, 'agent'), 'x'.repeat(32), { mode: 0o600 })
  const lines = rules.map(rule => `      - ${rule}\n`).join('')
  const text = `tokens:\n  agent:\n    token_file: ${folder}/agent\n    policy: allowlist\n    allow:\n${lines}`
  writeFileSync(join(folder, 'policy.yaml'), text)
  return `${TOKEN}\npolicy_file = $/policy.yaml`
}

test('rules that open everything, and rules that allow nothing', async () => {
  const settings = allow(
    'argv: [/bin/sh]',
    'argv: [env, "{name}"]',
    'argv: [sh, /opt/deploy.sh]',
    'argv: ["true"]',
    'argv: [no-such-program]',
    'argv: [git, "{name}"]',
    'argv: [docker, compose, up, -d]',
    'argv: [docker-compose, up, -d]',
  )
  const file = readFileSync(join(folder, 'policy.yaml'), 'utf8')
  const { code, said } = await check(settings)
  expect(code).toBe(1)
  expect(said).toEqual([
    '/policy.yaml:6:15: `argv`: sh alone can do everything',
    'hint: spell it out: argv: [sh, /opt/openclaw/task, "{name}"]',
    '/policy.yaml:7:15: `argv`: env runs other programs: a rule for it has no holes',
    'hint: name the program that it runs as the program of the rule',
    '/policy.yaml:11:15: `argv`: the caller would choose the command of git, or where it goes',
    'hint: commands come first, options behind them: [git, -C, /srv/openclaw, fetch, origin, --prune]',
    '/h.conf: 3 problems, 0 warnings',
  ])
  const lines = file.split('\n').filter(line => !/\/bin\/sh|env|git/.test(line))
  writeFileSync(join(folder, 'policy.yaml'), lines.join('\n'))
  const rest = await check(settings)
  expect(rest.code).toBe(0)
  expect(rest.said).toEqual([
    'warning: /policy.yaml:8: tokens.agent.allow: there is no program no-such-program here: the rule allows nothing',
    'warning: /policy.yaml:9: tokens.agent.allow: compose up means root: whoever can change what its files say can have the whole host',
    'hint: a token with policy playbooks can be narrower: see examples/openclaw/policy.yaml',
    expect.stringMatching(
      /policy\.yaml:10: tokens\.agent\.allow: (there is no program docker-compose|compose up means root)/,
    ),
    ...rest.said.slice(4),
  ])
})

test('rules with wildcards are shown the template to write, and the daemon does not start with them', async () => {
  const settings = allow(
    'argv: [git, fetch, origin, "**"]',
    '{ argv: [git, checkout, --detach, "*"], workdir: /srv/* }',
    'argv: [docker, compose, logs, --tail, "*", "*"]',
    'argv: [curl, -fsS, "http://127.0.0.1:18789/*"]',
    'argv: [cat, "/srv/logs/*.log"]',
    'argv: [git, "**"]',
    'binary: /usr/bin/docker',
    'argv: [git, tag, "v*"]',
  )
  const { code, said } = await check(settings)
  expect(code).toBe(1)
  const any = '** (any rest) is not a hole: a rule spells out each word, and types what is free'
  const one = any.replace('** (any rest)', '*')
  expect(said).toEqual([
    `/policy.yaml:6:36: \`argv[3]\`: ${any}`,
    'hint: write argv: [git, fetch, origin]; a further form is a further rule',
    `/policy.yaml:7:43: \`argv[3]\`: ${one}`,
    'hint: write argv: [git, checkout, --detach, "{ref}"]',
    '/policy.yaml:7:58: `workdir`: holds a wildcard, which is not a hole',
    'hint: write workdir: "{path:/srv/**}"',
    `/policy.yaml:8:47: \`argv[4]\`: ${one}`,
    'hint: write argv: [docker, compose, logs, --tail, "{int}", "{name}"]',
    `/policy.yaml:9:28: \`argv[2]\`: ${one}`,
    'hint: write argv: [curl, -fsS, "http://127.0.0.1:18789/{name}"]',
    `/policy.yaml:10:21: \`argv[1]\`: ${one}`,
    'hint: write argv: [cat, "{path:/srv/logs/**}"]',
    `/policy.yaml:11:21: \`argv[1]\`: ${any}`,
    'hint: write argv: [git, -C, /srv/openclaw, fetch, origin, --prune]; a further form is a further rule',
    '/policy.yaml:12:17: `binary`: allows any arguments, which no rule may',
    'hint: write argv: [docker, compose, -f, /srv/openclaw/compose.yaml, ps]',
    `/policy.yaml:13:26: \`argv[2]\`: ${one}`,
    'hint: write argv: [git, tag, "v{name}"]',
    '/h.conf: 9 problems, 0 warnings',
  ])
  const configFile = join(folder, 'h.conf')
  const started = await startDaemon(
    { configFile, pidFile: null, isVerbose: false, env: process.env },
    runService,
  )
  expect(started).toEqual({
    failed: expect.stringContaining('hint: write argv: [git, checkout, --detach, "{ref}"]'),
  })
  for (const hint of said.flatMap(line => /^hint: write argv: ([^;]*)/.exec(line)?.[1] ?? [])) {
    const { said: again } = await check(allow(`argv: ${hint}`))
    expect(again.filter(line => line.includes('not a hole') || line.includes('would choose'))).toEqual([])
  }
})

test.runIf(gid === 0)('rules whose folder, file or program others can change', async () => {
  for (const name of ['ours', 'theirs', 'open', 'group']) mkdirSync(join(folder, name))
  chownSync(join(folder, 'theirs'), 65534, 65534)
  chmodSync(join(folder, 'open'), 0o777)
  chmodSync(join(folder, 'group'), 0o775)
  writeFileSync(join(folder, 'ours/compose.yaml'), '')
  chownSync(join(folder, 'ours/compose.yaml'), 65534, 0)
  writeFileSync(join(folder, 'theirs/tool'), '#!/bin/sh\n', { mode: 0o755 })
  symlinkSync(join(folder, 'theirs'), join(folder, 'link'))
  const { code, said } = await check(
    allow(
      `{ argv: [git, status], workdir: ${folder}/ours }`,
      `{ argv: [git, status], workdir: ${folder}/theirs }`,
      `{ argv: [git, status], workdir: "{path:${folder}/open/**}" }`,
      `argv: [git, -C, ${folder}/theirs, status]`,
      `argv: [docker, compose, -f, ${folder}/ours/compose.yaml, ps]`,
      `argv: [docker, compose, "--file=${folder}/group/compose.yaml", ps]`,
      `argv: [cat, "{path:${folder}/link/**}"]`,
      `argv: [${folder}/theirs/tool]`,
      `{ argv: [cat, ./theirs/x], workdir: ${folder} }`,
      'argv: [cat, /tmp/not-there]',
      `argv: [docker, exec, app, cat, ${folder}/theirs/x]`,
    ),
  )
  expect(code).toBe(1)
  const who = 'whoever holds the token may be one of them, and lead the command elsewhere'
  const at = (line: number) => `/policy.yaml:${line}: tokens.agent.allow: `
  expect(said).toEqual([
    `${at(7)}/theirs belongs to uid 65534: ${who}`,
    'hint: chown root /theirs',
    `${at(8)}/open can be changed by every user of this machine: ${who}`,
    'hint: chmod go-w /open',
    `${at(9)}/theirs belongs to uid 65534: ${who}`,
    'hint: chown root /theirs',
    `${at(10)}/ours/compose.yaml belongs to uid 65534: ${who}`,
    'hint: chown root /ours/compose.yaml',
    `${at(11)}/group can be changed by group 0: ${who}`,
    'hint: chmod go-w /group',
    `${at(12)}/theirs belongs to uid 65534: ${who}`,
    'hint: chown root /theirs',
    `${at(13)}/theirs belongs to uid 65534: ${who}`,
    'hint: chown root /theirs',
    `${at(14)}/theirs belongs to uid 65534: ${who}`,
    'hint: chown root /theirs',
    `${at(15)}/tmp can be changed by every user of this machine: ${who}`,
    'hint: chmod go-w /tmp',
    '/h.conf: 9 problems, 0 warnings',
  ])
})

test('a program that is another one under its own name', async () => {
  symlinkSync('/bin/sh', join(folder, 'tool'))
  const { code, said } = await check(
    allow(`argv: [${folder}/tool, "{name}"]`, `argv: [${folder}/tool, /opt/x, "{name}"]`),
  )
  expect(code).toBe(1)
  expect(said[0]).toMatch(/^\/policy\.yaml:6: tokens\.agent\.allow: the caller would choose the script of /)
  expect(said).toHaveLength(3)
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
  expect(await runCheck(['--config', '/no/such.conf'], io, runService)).toBe(1)
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
  expect((await check(GRANTS)).said[0]).toContain('`digest` is missing')
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
    expect.stringMatching(`^warning: ${at}the caller chooses ref of up: any commit`),
    'hint: fix it: pinned: { ref: ... }, a pattern for the input, or refs: or verify: signature in git.checkout',
    '/h.conf: 1 problem, 3 warnings',
  ])
})

test.each([
  ['a pattern', { pattern: 'v[0-9.]+' }, {}, 0],
  ['a choice', { oneOf: ['main'] }, {}, 0],
  ['signatures', {}, { verify: 'signature' }, 0],
  ['the branches and tags that the playbook allows', {}, { refs: ['tags/v*'] }, 0],
  ['any tag', {}, { refs: ['tags/**'] }, 1],
  ['nothing', {}, {}, 1],
])('a ref that the caller chooses is bound by %s', async (_, input, more, warnings) => {
  const checkout = { uses: 'git.checkout', with: { repo: '/srv/app', ref: '${{ inputs.ref }}', ...more } }
  const text = JSON.stringify({
    hostops: 1,
    name: 'up',
    inputs: { ref: { type: 'ref', ...input } },
    steps: [checkout],
  })
  install('up', text)
  grant([{ name: 'up', digest: digest(text) }])
  const { said } = await check(GRANTS)
  expect(said.filter(line => line.includes('chooses ref'))).toHaveLength(warnings)
  expect(said.at(-1)).toBe(`/h.conf: fine, ${warnings} warning${warnings === 1 ? '' : 's'}`)
})
