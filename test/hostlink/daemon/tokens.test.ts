import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '../../../src/hostlink/daemon/config/config.ts'
import { wordProblem } from '../../../src/hostlink/daemon/config/problem.ts'
import { parsePolicyFile } from '../../../src/hostlink/daemon/policy/policy-file.ts'
import { loadTokens } from '../../../src/hostlink/daemon/policy/tokens.ts'

const SECRET = '0123456789abcdef0123456789abcdef'
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostlink-tokens-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string | Buffer, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

async function load(settings: string) {
  const parsed = parseConfig(settings.replaceAll('$', folder), 'h.conf')
  if ('problems' in parsed) throw new Error(parsed.problems.map(wordProblem).join('\n'))
  return loadTokens(parsed.config, process.env)
}

async function table(settings: string) {
  const result = await load(settings)
  if ('problems' in result) throw new Error(result.problems.map(wordProblem).join('\n'))
  return result
}

const shown = (problems: readonly Parameters<typeof wordProblem>[0][]) =>
  problems.map(problem => wordProblem(problem).replaceAll(folder, ''))

async function refused(settings: string): Promise<string[]> {
  const result = await load(settings)
  return 'problems' in result ? shown(result.problems) : ['accepted']
}

describe('authenticate', () => {
  test('takes the exact bytes and nothing else', async () => {
    const { tokens } = await table(`auth_token = ${SECRET}`)
    expect(tokens.authenticate(SECRET)).toEqual({ name: 'default', policy: { kind: 'full' } })
    for (const wrong of [
      '',
      `${SECRET}\0x`,
      `${SECRET}\n`,
      ` ${SECRET}`,
      SECRET.slice(1),
      SECRET.toUpperCase(),
      '\ud800',
    ]) {
      expect(tokens.authenticate(wrong)).toBeNull()
    }
  })

  test('knows each of several tokens by its own name', async () => {
    file('a', 'a'.repeat(32))
    file('b', 'b'.repeat(32))
    file(
      'policy.yaml',
      `tokens:\n  one: { token_file: ${folder}/a, policy: deny }\n  two: { token_file: ${folder}/b, policy: full }\n`,
    )
    const { tokens } = await table(`auth_token = ${SECRET}\npolicy_file = $/policy.yaml`)
    const names = [SECRET, 'a'.repeat(32), 'b'.repeat(32)].map(secret => tokens.authenticate(secret)?.name)
    expect(names).toEqual(['default', 'one', 'two'])
    expect(tokens.authenticate('c'.repeat(32))).toBeNull()
    expect(tokens.secrets).toHaveLength(3)
  })
})

test('of several policy files each adds its tokens; a name that two of them have is refused with both', async () => {
  for (const name of ['a', 'b']) file(name, name.repeat(32))
  const entry = (name: string, token: string) =>
    `tokens:\n  ${name}: { token_file: ${folder}/${token}, policy: deny }\n`
  file('one.yaml', entry('one', 'a'))
  file('two.yaml', entry('two', 'b'))
  const settings = `auth_token = ${SECRET}\npolicy_file = $/one.yaml\npolicy_file = $/two.yaml`
  const { tokens } = await table(settings)
  expect(tokens.authenticate('a'.repeat(32))).toMatchObject({ name: 'one', file: join(folder, 'one.yaml') })
  expect(tokens.authenticate('b'.repeat(32))).toMatchObject({ name: 'two', file: join(folder, 'two.yaml') })
  file('two.yaml', entry('one', 'b'))
  expect(await refused(settings)).toEqual([
    '/two.yaml:2: tokens.one: the name one is taken by a token of /one.yaml',
  ])
})

describe('token files', () => {
  const settings = 'auth_token_file = $/token'

  test.each(['\n', '\r\n', ''])('one line break at the end is no part of the token: %j', async end => {
    file('token', SECRET + end)
    expect((await table(settings)).tokens.authenticate(SECRET)?.name).toBe('default')
  })

  test.each([
    ['missing', null, 0, '/token: no such file or directory'],
    ['empty', '', 0o600, '/token: is empty\nhint: openssl rand -hex 32 > /token'],
    ['two lines', 'a\nb\n', 0o600, '/token: has more than one line\nhint: openssl rand -hex 32 > /token'],
    ['binary', Buffer.from([0xff, 0xfe]), 0o600, '/token: is not a text file'],
    ['NUL', 'abc\0def', 0o600, '/token: is not a text file'],
    ['10 MB', Buffer.alloc(10_000_000, 'x'), 0o600, '/token: has 10000000 bytes, a token has at most 4096'],
    [
      'for all to read',
      SECRET,
      0o604,
      '/token: can be read by every user of this machine\nhint: chmod o-r /token',
    ],
    [
      'for all to write',
      SECRET,
      0o602,
      '/token: can be changed by every user of this machine\nhint: chmod o-w /token',
    ],
    [
      'for a group to read',
      SECRET,
      0o640,
      '/token: can be read or changed by group GID\nhint: chmod 0600 /token, or allow it: unix_group in hostlink.conf, group_readable: true in a policy',
    ],
  ])('%s', async (_, content, mode, message) => {
    if (content !== null) file('token', content, mode)
    const gid = content === null ? '' : String(statSync(join(folder, 'token')).gid)
    expect(await refused(settings)).toEqual([`h.conf:1: auth_token_file: ${message.replace('GID', gid)}`])
  })

  test('a folder and a FIFO are refused at once', async () => {
    mkdirSync(join(folder, 'token'))
    expect(await refused(settings)).toEqual(['h.conf:1: auth_token_file: /token: is a directory'])
    rmSync(join(folder, 'token'), { recursive: true })
    execFileSync('mkfifo', ['-m', '600', join(folder, 'token')])
    expect(await refused(settings)).toEqual(['h.conf:1: auth_token_file: /token: is not a regular file'])
  })

  test('the group that the socket is for may read it, when the config names that group', async () => {
    const { gid } = statSync(file('token', SECRET, 0o640))
    expect((await table(`${settings}\nunix_group = ${gid}`)).warnings).toEqual([])
    expect(await refused(`${settings}\nunix_group = ${gid + 1}`)).toHaveLength(1)
  })

  test('a short one is warned of', async () => {
    file('token', 'short\n')
    expect(shown((await table(settings)).warnings)).toEqual([
      'h.conf:1: auth_token_file: /token: has 5 bytes and can be guessed\nhint: openssl rand -hex 32 > /token',
    ])
  })
})

describe('the policy file', () => {
  const problems = (text: string) => {
    file('policy.yaml', text)
    return refused(`auth_token = ${SECRET}\npolicy_file = $/policy.yaml`)
  }

  test('is read in full', async () => {
    file('t', 'x'.repeat(32), 0o640)
    file(
      'policy.yaml',
      `# who may do what
tokens:
  agent:
    token_file: ${folder}/t
    group_readable: true
    policy: allowlist
    allow:
      - argv: [uname, -a]
      - argv: [tail, -n, "{int}", "--file={path:${folder}/logs/**}"]
        env: [LANG]
        workdir: "{path:${folder}/stacks/**}"
`,
    )
    const { tokens } = await table('policy_file = $/policy.yaml')
    expect(tokens.authenticate('x'.repeat(32))).toEqual({
      ...{ name: 'agent', file: join(folder, 'policy.yaml') },
      policy: {
        kind: 'allowlist',
        rules: [
          { template: [{ literal: 'uname' }, { literal: '-a' }], env: [], source: 'policy.yaml:8' },
          {
            template: [
              { literal: 'tail' },
              { literal: '-n' },
              { before: '', hole: { kind: 'int' }, after: '' },
              { before: '--file=', hole: { kind: 'path', root: `${folder}/logs` }, after: '' },
            ],
            env: ['LANG'],
            workdir: { before: '', hole: { kind: 'path', root: `${folder}/stacks` }, after: '' },
            source: 'policy.yaml:9',
          },
        ],
      },
    })
  })

  test('playbooks are kept for the day when runs are offered', async () => {
    file('t', 'x'.repeat(32))
    file(
      'policy.yaml',
      `tokens:\n  ci:\n    token_file: ${folder}/t\n    policy: playbooks\n    playbooks:\n      - { name: upgrade-openclaw, digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, pinned: { repoPath: /srv/x } }\n`,
    )
    const { tokens } = await table('policy_file = $/policy.yaml')
    expect(tokens.authenticate('x'.repeat(32))?.policy).toEqual({
      kind: 'playbooks',
      playbooks: [
        { name: 'upgrade-openclaw', digest: `sha256:${'a'.repeat(64)}`, pinned: { repoPath: '/srv/x' } },
      ],
    })
  })

  test('every mistake is shown at its place, all at once', async () => {
    expect(
      await problems(`tokens:
  agent:
    token_file: token
    polcy: allowlist
    policy: allow
    allow:
      - { binary: git }
      - argv: [git, "**", x]
      - argv: [./git]
      - argv: ["g*"]
      - { argv: [git], binary: /usr/bin/uptime }
      - {}
      - { argv: git, env: [A=B] }
      - { argv: [], workdri: /x }
  "a b": { policy: deny, token_file: /x }
`),
    ).toEqual([
      '/policy.yaml:3:17: `token_file`: is not an absolute path',
      '/policy.yaml:4:5: the key `polcy` is not known in `agent`\nhint: did you mean `policy`?',
      '/policy.yaml:5:13: `policy` must be one of full, deny, allowlist, playbooks',
      '/policy.yaml:7:19: `binary`: allows any arguments, which no rule may\nhint: write argv: [git, -C, /srv/openclaw, fetch, origin, --prune]',
      '/policy.yaml:8:21: `argv[1]`: ** (any rest) is not a hole: a rule spells out each word, and types what is free\nhint: write argv: [git, x]; a further form is a further rule',
      '/policy.yaml:9:16: `argv[0]`: is a relative path',
      '/policy.yaml:10:16: `argv[0]`: must be spelled out: the first word names the program',
      '/policy.yaml:11:17: `argv`: git alone can do everything\nhint: spell it out: argv: [git, -C, /srv/openclaw, fetch, origin, --prune]',
      '/policy.yaml:11:32: `binary`: allows any arguments, which no rule may\nhint: write argv: [/usr/bin/uptime]',
      '/policy.yaml:12:9: `allow[5]`: needs argv',
      '/policy.yaml:13:17: `argv` must be a list, not text',
      '/policy.yaml:13:28: `env[0]`: is not the name of a variable',
      '/policy.yaml:14:17: `argv`: is empty',
      '/policy.yaml:14:21: the key `workdri` is not known in `allow[7]`\nhint: did you mean `workdir`?',
      '/policy.yaml:15:3: `a b` cannot be a name here\nhint: a token’s name has letters, digits, ., _ and -, at most 64 of them',
    ])
  })

  test.each([
    ['nothing', '', ['/policy.yaml:1:1: the file is empty']],
    ['a list', '- x\n', ['/policy.yaml:1:1: `this` must be a map, not a list']],
    [
      'no tokens',
      'token: {}\n',
      [
        '/policy.yaml:1:1: `tokens` is missing',
        '/policy.yaml:1:1: the key `token` is not known\nhint: did you mean `tokens`?',
      ],
    ],
    ['a key twice', 'tokens: {}\ntokens: {}\n', ['/policy.yaml:2:1: the key `tokens` stands here twice']],
    [
      'rules for the wrong policy',
      'tokens:\n  a: { token_file: /x, policy: full, allow: [] }\n  b: { token_file: /x, policy: allowlist }\n',
      [
        '/policy.yaml:2:45: `allow`: belongs to policy allowlist only',
        '/policy.yaml:3:32: `policy`: policy allowlist needs allow',
      ],
    ],
  ])('%s', async (_, text, expected) => {
    expect(await problems(text)).toEqual(expected)
  })

  test('tabs and broken YAML have a place too', async () => {
    const [first] = await problems('tokens:\n\tagent: {}\n')
    expect(first).toMatch(/^\/policy\.yaml:2:1: /)
  })

  test('the rule that a hint shows is one that loads, whatever the program', () => {
    const entry = (argv: string) =>
      parsePolicyFile(`tokens: { a: { token_file: /t, policy: allowlist, allow: [{ argv: ${argv} }] } }`, 'p')
    const programs =
      'git docker docker-compose kubectl apt-get dpkg rpm npm pip cargo go make hostops sh node sudo find tar'
    for (const program of programs.split(' ')) {
      for (const words of ['', ', "*"', ', "**"', ', x, "*"']) {
        const read = entry(`[${program}${words}]`)
        if (!('problems' in read)) continue
        const [, shown] = /argv: (\[.*?\])(?:;|$)/.exec(read.problems[0]!.hint ?? '') ?? []
        expect([program, shown, entry(shown ?? '[]')]).toEqual([
          program,
          shown,
          { entries: [expect.anything()] },
        ])
      }
    }
  })

  test('aliases that multiply are refused', async () => {
    const bomb = [
      'a: &a [x,x]',
      ...'bcdefghi'.split('').map((name, n) => `${name}: &${name} [${`*${'abcdefghi'[n]},`.repeat(9)}x]`),
    ]
    expect(await problems(`${bomb.join('\n')}\n`)).not.toEqual(['accepted'])
  })

  test('a name or a token that is used twice', async () => {
    file('t', SECRET)
    const text = (name: string) => `tokens:\n  ${name}: { token_file: ${folder}/t, policy: deny }\n`
    expect(await problems(text('default'))).toEqual([
      "/policy.yaml:2: tokens.default: the name default is that of the config's own token",
    ])
    expect(await problems(text('agent'))).toEqual([
      '/policy.yaml:2: tokens.agent: is the same token as that of default',
    ])
  })

  test('missing, or open to all', async () => {
    expect(await refused(`auth_token = ${SECRET}\npolicy_file = $/none`)).toEqual([
      'h.conf:2: policy_file: /none: no such file or directory',
    ])
    file('policy.yaml', 'tokens: {}\n', 0o666)
    expect(await refused(`auth_token = ${SECRET}\npolicy_file = $/policy.yaml`)).toEqual([
      '/policy.yaml: can be changed by every user of this machine\nhint: chmod o-w /policy.yaml',
    ])
  })

  test.skipIf(process.getuid?.() !== 0)('of which a group could free itself', async () => {
    const policy = file('policy.yaml', 'tokens: {}\n', 0o664)
    chownSync(policy, 0, 65_534)
    expect(await refused(`auth_token = ${SECRET}\npolicy_file = $/policy.yaml`)).toEqual([
      '/policy.yaml: can be changed by group 65534\nhint: chmod g-w /policy.yaml',
    ])
    chownSync(policy, 0, 0)
    expect((await table(`auth_token = ${SECRET}\npolicy_file = $/policy.yaml`)).warnings).toHaveLength(1)
  })
})
