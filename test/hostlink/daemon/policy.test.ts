import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decideRequest, type Policy, type Token } from '../../../src/hostlink/daemon/policy/policy.ts'
import type { PolicyContext, Rule } from '../../../src/hostlink/daemon/policy/rule.ts'
import { parseWord } from '../../../src/hostlink/daemon/policy/template.ts'
import { execRequest, runRequest } from '../../../src/hostlink/messages.ts'

/** /bin is a link to /usr/bin, podman is what `docker` really is here, and sh is one of busybox's names. */
const PROGRAMS: Record<string, string> = {
  git: '/usr/bin/git',
  docker: '/usr/bin/docker',
  'docker-compose': '/usr/bin/docker-compose',
  curl: '/usr/bin/curl',
  mine: '/srv/foreign/mine',
  ls: '/usr/bin/busybox',
  sh: '/usr/bin/busybox',
}
const FOLDERS = ['/', '/srv', '/srv/app', '/srv/app/sub', '/srv/other', '/etc', '/srv/foreign']
const LINKS: Record<string, string> = {
  '/srv/link': '/etc',
  '/srv/app/out': '/etc/shadow',
  '/srv/app/in': '/srv/app/sub',
}
const context: PolicyContext = {
  find: argv0 =>
    /^(\/usr)?\/bin\/|^[^/]+$/.test(argv0) ? (PROGRAMS[argv0.split('/').at(-1)!] ?? null) : null,
  judge: path => {
    if (!path.startsWith('/'))
      return { real: null, unsafe: { reason: `${path} is not absolute` }, found: null }
    const plain = path.replace(/(?<=.)\/+$/, '')
    const link = Object.keys(LINKS).find(each => plain === each || plain.startsWith(`${each}/`))
    const real = link === undefined ? plain : LINKS[link] + plain.slice(link.length)
    const isFolder = FOLDERS.includes(real)
    return {
      real,
      unsafe: real.startsWith('/srv/foreign') ? { reason: '/srv/foreign belongs to uid 1000' } : null,
      found: isFolder || link !== undefined ? { dev: 1, ino: real.length, isFolder } : null,
    }
  },
}

const word = (text: string) => {
  const parsed = parseWord(text)
  if ('fault' in parsed) throw new Error(parsed.fault.reason)
  return parsed.word
}
type More = Partial<Omit<Rule, 'workdir'>> & { workdir?: string }
const rule = (words: string | string[], { workdir, ...more }: More = {}): Rule => {
  const list = typeof words === 'string' ? words.split(' ') : words
  const place = workdir === undefined ? {} : { workdir: word(workdir) }
  return { template: list.map(word), env: [], source: 'policy.yaml:7', ...place, ...more }
}
const token = (policy: Policy): Token => ({ name: 'agent', policy })

function decided(rules: Rule[], argv: string | string[], more: object = {}) {
  const request = execRequest.parse({ argv: typeof argv === 'string' ? argv.split(' ') : argv, ...more })
  return decideRequest(token({ kind: 'allowlist', rules }), { type: 'exec', request }, context)
}
function exec(rules: Rule[], argv: string | string[], more: object = {}): string {
  const verdict = decided(rules, argv, more)
  return verdict.allowed ? `run ${verdict.judgement?.file}` : verdict.rule
}

describe('policies', () => {
  const list = { type: 'job', request: { action: 'list' } } as const
  const shell = { type: 'exec', request: execRequest.parse({ command: 'true' }) } as const

  test('full allows everything and resolves nothing', () => {
    for (const asked of [{ type: 'ping' }, { type: 'cancel' }, list, shell] as const) {
      expect(decideRequest(token({ kind: 'full' }), asked, context)).toEqual({ allowed: true })
    }
  })

  test.each([
    [{ kind: 'deny' }, 'policy deny of token agent'],
    [{ kind: 'playbooks', playbooks: [] }, 'policy playbooks of token agent: TYPE is not allowed, only run'],
  ] as [Policy, string][])('%o allows no command', (policy, reason) => {
    expect(decideRequest(token(policy), { type: 'ping' }, context)).toEqual({ allowed: true })
    for (const asked of [{ type: 'cancel' }, list, shell] as const) {
      const rule = reason.replace('TYPE', asked.type)
      expect(decideRequest(token(policy), asked, context)).toEqual({ allowed: false, rule })
    }
  })

  test('an allowlist leaves jobs and cancelling to their owner, and never runs shell text', () => {
    const policy: Policy = { kind: 'allowlist', rules: [rule('sh /opt/x')] }
    expect(decideRequest(token(policy), { type: 'cancel' }, context)).toEqual({ allowed: true })
    expect(decideRequest(token(policy), list, context)).toEqual({ allowed: true })
    expect(decideRequest(token(policy), shell, context)).toEqual({
      allowed: false,
      rule: 'allowlist of token agent: shell text is never allowed, only argv',
    })
  })
})

describe('the program', () => {
  const rules = [rule('/bin/ls -l'), rule('git status'), rule('mine x')]

  test.each([
    ['ls -l', 'run /usr/bin/busybox'],
    ['/usr/bin/ls -l', 'run /usr/bin/busybox'],
    ['/bin/git status', 'run /usr/bin/git'],
    ['curl http://x', 'allowlist of token agent: no rule allows /usr/bin/curl'],
    // The same file under another name is another program.
    ['sh -l', 'allowlist of token agent: no rule allows /usr/bin/busybox'],
    ['./ls', 'allowlist of token agent: the program is a relative path'],
    ['../bin/ls', 'allowlist of token agent: the program is a relative path'],
    ['/tmp/ls', 'allowlist of token agent: /tmp/ls is no program that this daemon finds'],
    ['nothing', 'allowlist of token agent: nothing is no program that this daemon finds'],
    [
      'mine x',
      'policy.yaml:7: /srv/foreign belongs to uid 1000: whoever holds the token may be one of them, and lead the command elsewhere',
    ],
  ])('%s: %s', (argv, verdict) => {
    expect(exec(rules, argv)).toBe(verdict)
  })
})

describe('the arguments', () => {
  const rules = [rule('git fetch origin {ref}'), rule('git log --max-count={int}'), rule('git status')]
  const no = 'allowlist of token agent: no rule for /usr/bin/git allows these arguments'

  test.each([
    ['git fetch origin main', 'run /usr/bin/git'],
    ['git fetch origin main --tags', no],
    ['git fetch origin', no],
    ['git fetch', no],
    ['git status', 'run /usr/bin/git'],
    ['git status -s', no],
    ['git', no],
    ['git log --max-count=3', 'run /usr/bin/git'],
    ['git log --max-count=', no],
    ['git log --max-count=x', no],
    ['git log --max-count', no],
    ['git log', no],
  ])('%s: %s', (argv, verdict) => {
    expect(exec(rules, argv)).toBe(verdict)
  })

  test('a hole stays within one argument, and takes neither line breaks nor nothing', () => {
    const commit = [rule(['git', 'commit', '-m', '{name}'])]
    expect(exec(commit, ['git', 'commit', '-m', 'a'])).toBe('run /usr/bin/git')
    for (const rest of [['a\nb c'], ['a\n'], [''], ['a', 'b']])
      expect(exec(commit, ['git', 'commit', '-m', ...rest])).toBe(no)
  })
})

describe('a hole', () => {
  test.each([
    ['git checkout {ref}', 'git checkout main', true],
    ['git checkout {ref}', 'git checkout --orphan=x', false],
    ['git checkout {ref}', 'git checkout -b', false],
    ['git diff {ref}', 'git diff -', false],
    ['git log --since={int}', 'git log --since=-1', false],
    ['git show {path:/srv/**}', 'git show /srv/a.b/c', true],
    ['git show {path:/srv/**}', 'git show /srv/../etc/shadow', false],
    ['git show {path:/srv/**}', 'git show /srv/a/..', false],
    ['git show --file={path:/srv/**}', 'git show --file=/srv/x', true],
    ['git show --file={path:/srv/**}', 'git show --file=/srv/x/../../etc', false],
    ['git show {ref}/x', 'git show ../x', false],
    ['git log {ref}', 'git log a..b', false],
    ['git log {ref}', 'git log ../b', false],
    ['git log {ref}', 'git log a:b', false],
    ['git log {ref}', 'git log +a', false],
    ['git log {ref}', 'git log :/a', false],
    ['git log {ref}', 'git log a^', false],
    ['git log {ref}', 'git log a@{1}', false],
    ['git log {ref}', 'git log ext::sh', false],
  ])('%s fits %s: %s', (allowed, argv, fits) => {
    expect(exec([rule(allowed)], argv)).toBe(
      fits ? 'run /usr/bin/git' : 'allowlist of token agent: no rule for /usr/bin/git allows these arguments',
    )
  })
})

describe('the environment and the folder', () => {
  test('a variable must be named: each other one is a way out', () => {
    for (const name of ['PATH', 'LD_PRELOAD', 'GIT_SSH_COMMAND', 'NODE_OPTIONS', 'DOCKER_HOST', 'x']) {
      expect(
        exec([rule('git status', { env: ['LANG'] })], 'git status', { env: { LANG: 'C', [name]: '' } }),
      ).toBe(`policy.yaml:7: the variable ${name} is not named by the rule`)
    }
    expect(exec([rule('git status', { env: ['LANG'] })], 'git status', { env: { LANG: 'C' } })).toBe(
      'run /usr/bin/git',
    )
  })

  test('a second rule may allow what the first one does not', () => {
    const rules = [rule('git status'), rule('git status', { env: ['LANG'], source: 'policy.yaml:9' })]
    expect(exec(rules, 'git status', { env: { LANG: 'C' } })).toBe('run /usr/bin/git')
  })

  test.each([
    ['/srv/app', 'run /usr/bin/git'],
    ['/srv/app/', 'run /usr/bin/git'],
    ['/srv/app/sub', 'policy.yaml:7: the workdir is not within /srv/app'],
    ['/srv/app/in', 'policy.yaml:7: the workdir is not within /srv/app'],
    ['/srv/link', 'policy.yaml:7: the workdir is not within /srv/app'],
    ['/etc', 'policy.yaml:7: the workdir is not within /srv/app'],
    ['srv/app', 'policy.yaml:7: the workdir is not within /srv/app'],
    [undefined, 'policy.yaml:7: a workdir within /srv/app is needed'],
  ])('workdir %s: %s', (workdir, verdict) => {
    expect(exec([rule('git status', { workdir: '/srv/app' })], 'git status', { workdir })).toBe(verdict)
  })

  test.each([
    ['/srv/app', 'run /usr/bin/git'],
    ['/srv/app/sub', 'run /usr/bin/git'],
    ['/srv/app/in', 'run /usr/bin/git'],
    ['/srv', 'policy.yaml:7: the workdir is not within {path:/srv/**}'],
    ['/srv/link', 'policy.yaml:7: the workdir is not within {path:/srv/**}'],
    ['/srv/app/none', 'policy.yaml:7: the workdir /srv/app/none is not a folder'],
    [
      '/srv/foreign',
      'policy.yaml:7: /srv/foreign belongs to uid 1000: whoever holds the token may be one of them, and lead the command elsewhere',
    ],
  ])('workdir %s within a hole: %s', (workdir, verdict) => {
    expect(exec([rule('git status', { workdir: '{path:/srv/**}' })], 'git status', { workdir })).toBe(verdict)
  })

  test('a rule without workdir lets none be chosen, and runs in /', () => {
    expect(exec([rule('git status')], 'git status', { workdir: '/srv/app' })).toBe(
      'policy.yaml:7: the rule names no workdir, so that none can be chosen',
    )
    expect(decided([rule('git status')], 'git status')).toMatchObject({ judgement: { workdir: '/' } })
    expect(exec([rule('git log {ref}')], 'git log etc')).toBe('policy.yaml:7: etc is a file or folder in /')
  })

  test('the command runs where the check was made, not where a link leads by then', () => {
    const rules = [rule('git show {path:/srv/**}', { workdir: '{path:/srv/**}' })]
    expect(decided(rules, 'git show /srv/app/in/x', { workdir: '/srv/app/in' })).toEqual({
      allowed: true,
      judgement: {
        file: '/usr/bin/git',
        argv: ['git', 'show', '/srv/app/sub/x'],
        workdir: '/srv/app/sub',
        workdirIs: { dev: 1, ino: 12, isFolder: true },
      },
    })
  })

  test('a rule that is bound to a folder does not let words lead out of it', () => {
    const at = { workdir: '/srv/app' }
    const bound = (words: string) => [rule(words, at)]
    const no = (program: string) =>
      `allowlist of token agent: no rule for /usr/bin/${program} allows these arguments`
    expect(exec(bound('git status'), 'git -C /etc status', at)).toBe(no('git'))
    expect(exec(bound('git -C /srv/other status'), 'git -C /srv/other status', at)).toBe('run /usr/bin/git')
    expect(exec(bound('docker compose up -d'), 'docker compose -f /tmp/x.yml up -d', at)).toBe(no('docker'))
    expect(exec(bound('docker compose up -d'), 'docker compose up -d', at)).toBe('run /usr/bin/docker')
  })

  test('nor links, wherever they lead', () => {
    const at = { workdir: '/srv/app' }
    const build = (text: string, hole = '{ref}') =>
      exec([rule(`docker build x ${hole}`, at)], `docker build x ${text}`, at)
    expect(build('new/x')).toBe('run /usr/bin/docker')
    expect(build('in')).toBe('run /usr/bin/docker')
    expect(build('--file=new', '--file={ref}')).toBe('run /usr/bin/docker')
    expect(build('out')).toBe("policy.yaml:7: out leads out of the rule's workdir")
    expect(build('--file=out', '--file={ref}')).toBe("policy.yaml:7: out leads out of the rule's workdir")
    for (const before of ['--secret=id=x,src=', '--data=@', 'x=y='])
      expect(build(`${before}out`, `${before}{ref}`)).toBe(
        "policy.yaml:7: out leads out of the rule's workdir",
      )
    expect(build('/srv/link/x', '{path:/srv/**}')).toBe('policy.yaml:7: /srv/link/x leads out of /srv')
    expect(build('/srv/foreign/x', '{path:/srv/**}')).toContain('belongs to uid 1000')
    for (const path of ['/etc', '/srv', '../x', '.']) expect(build(path)).toContain('these arguments')
  })

  test('and a rule that names one folder takes no second one', () => {
    const compose = [rule('docker compose -f /srv/app/compose.yaml up -d')]
    expect(exec(compose, 'docker compose -f /srv/app/compose.yaml up -d')).toBe('run /usr/bin/docker')
    expect(exec(compose, 'docker compose -f /srv/app/compose.yaml -f /tmp/evil.yaml up -d')).toContain(
      'these arguments',
    )
    expect(exec([rule('git -C /srv/app status')], 'git -C /srv/app -C /tmp/evil status')).toContain(
      'these arguments',
    )
  })

  test('a flood of words costs no look-up', () => {
    let lookedUp = 0
    const counting: PolicyContext = {
      find: () => '/usr/bin/cat',
      judge: path => {
        lookedUp += 1
        return context.judge(path)
      },
    }
    const policy: Policy = { kind: 'allowlist', rules: [rule('cat {name}', { workdir: '/srv/app' })] }
    const request = execRequest.parse({
      argv: ['cat', ...Array.from({ length: 20_000 }, (_, index) => `x${index}`)],
      workdir: '/srv/app',
    })
    expect(decideRequest(token(policy), { type: 'exec', request }, counting).allowed).toBe(false)
    expect(lookedUp).toBe(2)
  })
})

describe('playbooks', () => {
  const digest = 'ab'.repeat(32)
  const policy: Policy = {
    kind: 'playbooks',
    playbooks: [{ name: 'upgrade', digest: `sha256:${digest}`, pinned: { repoPath: '/srv/app' } }],
  }
  const start = (fields: object) =>
    runRequest.parse({ action: 'start', playbook: { name: 'upgrade' }, ...fields })
  const verdict = (fields: object, seen: string | null = digest, given: Policy = policy) =>
    decideRequest(token(given), { type: 'run', request: start(fields), digest: seen }, context)
  const rule = (fields: object, seen?: string | null, given?: Policy) => {
    const decided = verdict(fields, seen, given)
    return decided.allowed ? null : decided.rule
  }

  test('allows what was reviewed, and fixes what is pinned', () => {
    expect(
      verdict({ inputs: { ref: 'main' }, input_texts: { n: '1' }, options: { wait_lock: '5m' } }),
    ).toEqual({
      allowed: true,
      pinned: { repoPath: '/srv/app' },
    })
    expect(verdict({}, null).allowed).toBe(true)
  })

  test.each([
    ['a text', { playbook: { text: 'hostops: 1' } }, /not the text of one/],
    ['another playbook', { playbook: { name: 'other' } }, /other is not in it/],
    ['a pinned input', { inputs: { repoPath: '/etc' } }, /repoPath of upgrade is pinned/],
    ['a pinned input as text', { input_texts: { repoPath: '/srv/app' } }, /is pinned/],
    ['dirty trees', { options: { allow_dirty: true } }, /allow_dirty/],
    ['no way back', { options: { rollback: false } }, /rollback/],
    ['a limit that nobody reviewed', { options: { timeout: '999h' } }, /timeout/],
  ])('denies %s', (_, fields, reason) => {
    expect(rule(fields)).toMatch(reason)
    expect(rule(fields)).toContain('policy playbooks of token agent')
  })

  test('allows nothing else, whatever is sent', () => {
    const odd = { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<unknown> }
    const mostly = <T>(arbitrary: fc.Arbitrary<T>) =>
      fc.oneof({ weight: 8, arbitrary: arbitrary as fc.Arbitrary<unknown> }, odd)
    const some = <T>(...values: T[]) => fc.option(fc.constantFrom(...values), { nil: undefined })
    const asked = fc.oneof(
      fc.record({
        action: fc.constantFrom('start'),
        playbook: mostly(
          fc.oneof(
            { weight: 4, arbitrary: fc.constant({ name: 'upgrade' }) },
            fc.record({ name: some('upgrade', 'other', '../upgrade'), text: some('hostops: 1') }),
          ),
        ),
        inputs: mostly(
          fc.dictionary(fc.constantFrom('repoPath', 'ref', 'toString'), fc.jsonValue(), { maxKeys: 2 }),
        ),
        input_texts: mostly(
          fc.dictionary(fc.constantFrom('repoPath', 'ref', 'constructor'), fc.constantFrom('a', '--x'), {
            maxKeys: 2,
          }),
        ),
        options: mostly(
          fc.record({
            allow_dirty: some(false, true),
            rollback: some(true, false),
            check: some(true, false),
            timeout: some('5m'),
            wait_lock: some('5m'),
            plan: some('abc'),
            target: some('ssh:x'),
          }),
        ),
        run_id: some('r'),
      }),
      fc.record({
        action: fc.constantFrom(
          'resume',
          'rollback',
          'confirm',
          'cancel',
          'report',
          'wait',
          'events',
          'logs',
          'list',
          'x',
        ),
        run_id: fc.constantFrom('r', 'last'),
        attempt: fc.constantFrom('a', '-a'),
      }),
    )
    type Sent = {
      action: string
      playbook?: unknown
      inputs?: unknown
      input_texts?: unknown
      options?: unknown
    }
    const isMeant = ({ action, playbook, inputs, input_texts, options }: Sent) => {
      if (action !== 'start') return action !== 'resume' && action !== 'rollback'
      const { name, text } = playbook as { name?: unknown; text?: unknown }
      const { allow_dirty, rollback, timeout } = (options ?? {}) as { [option: string]: unknown }
      const names = [...Object.keys(inputs ?? {}), ...Object.keys(input_texts ?? {})]
      const isUsual = allow_dirty !== true && rollback !== false && timeout == null
      return name === 'upgrade' && text == null && !names.includes('repoPath') && isUsual
    }
    let allowed = 0
    fc.assert(
      fc.property(asked, fields => {
        const request = runRequest.safeParse(fields)
        if (!request.success) return
        const decided = decideRequest(token(policy), { type: 'run', request: request.data, digest }, context)
        expect(decided.allowed, JSON.stringify(fields)).toBe(isMeant(fields))
        if (decided.allowed && fields.action === 'start') {
          expect(decided.pinned).toEqual({ repoPath: '/srv/app' })
          allowed += 1
        }
      }),
      { numRuns: 2000 },
    )
    expect(allowed).toBeGreaterThan(0)
  })

  test('has a bound of inputs, each of which may become a file', () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`i${at}`, 'x']))
    const parsed = (fields: object) =>
      runRequest.safeParse({ action: 'start', playbook: { name: 'upgrade' }, ...fields }).success
    for (const field of ['inputs', 'input_texts'])
      expect([parsed({ [field]: many(256) }), parsed({ [field]: many(257) })]).toEqual([true, false])
  })

  test('denies a file that is not the reviewed one', () => {
    expect(rule({}, 'cd'.repeat(32))).toMatch(/not the one that was reviewed/)
  })

  test('runs are in no allowlist, and nothing is allowed to deny', () => {
    expect(rule({}, digest, { kind: 'allowlist', rules: [] })).toMatch(/runs are not in it/)
    expect(rule({}, digest, { kind: 'deny' })).toMatch(/policy deny/)
    expect(rule({ playbook: { text: 'x' } }, digest, { kind: 'full' })).toBe(null)
  })
})
