import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { matchesGlob, matchesPath } from '../../../src/hostlink/daemon/policy/glob.ts'
import {
  decide,
  type Policy,
  type PolicyContext,
  type Rule,
  type Token,
} from '../../../src/hostlink/daemon/policy/policy.ts'
import { execRequest, runRequest } from '../../../src/hostlink/messages.ts'

/** /bin is a link to /usr/bin, podman is what `docker` really is here, and sh is one of busybox's names. */
const PROGRAMS: Record<string, string> = {
  git: '/usr/bin/git',
  docker: '/usr/bin/docker',
  'docker-compose': '/usr/bin/docker-compose',
  curl: '/usr/bin/curl',
  ls: '/usr/bin/busybox',
  sh: '/usr/bin/busybox',
}
const context: PolicyContext = {
  resolve: argv0 =>
    /^(\/usr)?\/bin\/|^[^/]+$/.test(argv0) ? (PROGRAMS[argv0.split('/').at(-1)!] ?? null) : null,
  isLink: path => path === '/srv/app/dangling',
  realpath: path =>
    path === '/srv/link' || path.startsWith('/srv/app/link')
      ? '/etc'
      : path.startsWith('/srv/') && !/dangling|new/.test(path)
        ? path.replace(/\/+$/, '')
        : null,
}

const rule = (words: string | string[], more: Partial<Rule> = {}): Rule => {
  const list = typeof words === 'string' ? words.split(' ') : words
  return { binary: list[0]!, args: list.slice(1), env: [], source: 'policy.yaml:7', ...more }
}
const anyArguments = (binary: string): Rule => ({ binary, env: [], source: 'policy.yaml:3' })
const token = (policy: Policy): Token => ({ name: 'agent', policy })

function exec(rules: Rule[], argv: string | string[], more: object = {}): string {
  const request = execRequest.parse({ argv: typeof argv === 'string' ? argv.split(' ') : argv, ...more })
  const verdict = decide(token({ kind: 'allowlist', rules }), { type: 'exec', request }, context)
  return verdict.allowed ? `run ${verdict.resolvedArgv0}` : verdict.rule
}

describe('policies', () => {
  const list = { type: 'job', request: { action: 'list' } } as const
  const shell = { type: 'exec', request: execRequest.parse({ command: 'true' }) } as const

  test('full allows everything and resolves nothing', () => {
    for (const asked of [{ type: 'ping' }, { type: 'cancel' }, list, shell] as const) {
      expect(decide(token({ kind: 'full' }), asked, context)).toEqual({ allowed: true })
    }
  })

  test.each([
    [{ kind: 'deny' }, 'policy deny of token agent'],
    [{ kind: 'playbooks', playbooks: [] }, 'policy playbooks of token agent: TYPE is not allowed, only run'],
  ] as [Policy, string][])('%o allows no command', (policy, reason) => {
    expect(decide(token(policy), { type: 'ping' }, context)).toEqual({ allowed: true })
    for (const asked of [{ type: 'cancel' }, list, shell] as const) {
      const rule = reason.replace('TYPE', asked.type)
      expect(decide(token(policy), asked, context)).toEqual({ allowed: false, rule })
    }
  })

  test('an allowlist leaves jobs and cancelling to their owner, and never runs shell text', () => {
    const policy: Policy = { kind: 'allowlist', rules: [anyArguments('/bin/sh')] }
    expect(decide(token(policy), { type: 'cancel' }, context)).toEqual({ allowed: true })
    expect(decide(token(policy), list, context)).toEqual({ allowed: true })
    expect(decide(token(policy), shell, context)).toEqual({
      allowed: false,
      rule: 'allowlist of token agent: shell text is never allowed, only argv',
    })
  })
})

describe('the program', () => {
  const rules = [anyArguments('/bin/ls'), anyArguments('git')]

  test.each([
    ['ls -l', 'run /usr/bin/busybox'],
    ['/usr/bin/ls', 'run /usr/bin/busybox'],
    ['/bin/git status', 'run /usr/bin/git'],
    ['curl http://x', 'allowlist of token agent: no rule allows /usr/bin/curl'],
    // The same file under another name is another program.
    ['sh -c id', 'allowlist of token agent: no rule allows /usr/bin/busybox'],
    ['./ls', 'allowlist of token agent: the program is a relative path'],
    ['../bin/ls', 'allowlist of token agent: the program is a relative path'],
    ['/tmp/ls', 'allowlist of token agent: /tmp/ls is no program that this daemon finds'],
    ['nothing', 'allowlist of token agent: nothing is no program that this daemon finds'],
  ])('%s: %s', (argv, verdict) => {
    expect(exec(rules, argv)).toBe(verdict)
  })
})

describe('the arguments', () => {
  const rules = [rule('git fetch * **'), rule('git log --max-count=*'), rule('git status')]
  const no = 'allowlist of token agent: no rule for /usr/bin/git allows these arguments'

  test.each([
    ['git fetch origin', 'run /usr/bin/git'],
    ['git fetch origin main --tags', 'run /usr/bin/git'],
    ['git fetch', no],
    ['git status', 'run /usr/bin/git'],
    ['git status -s', no],
    ['git', no],
    ['git log --max-count=3', 'run /usr/bin/git'],
    ['git log --max-count', no],
    ['git log', no],
  ])('%s: %s', (argv, verdict) => {
    expect(exec(rules, argv)).toBe(verdict)
  })

  test('a star stays within one argument and takes line breaks and nothing as well', () => {
    expect(exec([rule(['git', 'commit', '-m', '*'])], ['git', 'commit', '-m', 'a\nb c'])).toBe(
      'run /usr/bin/git',
    )
    expect(exec([rule(['git', 'commit', '-m', '*'])], ['git', 'commit', '-m', ''])).toBe('run /usr/bin/git')
    expect(exec([rule(['git', 'commit', '-m', '*'])], ['git', 'commit', '-m', 'a', 'b'])).toBe(no)
  })
})

describe('a star', () => {
  test.each([
    ['git checkout *', 'git checkout main', true],
    ['git checkout *', 'git checkout --orphan=x', false],
    ['git checkout *', 'git checkout -b', false],
    ['git diff *', 'git diff -', true],
    ['git log --since=*', 'git log --since=-1', true],
    ['git show /srv/*', 'git show /srv/a..b/c', true],
    ['git show /srv/*', 'git show /srv/../etc/shadow', false],
    ['git show /srv/*', 'git show /srv/a/..', false],
    ['git show --file=/srv/*', 'git show --file=/srv/x/../../etc', false],
    ['git show */x', 'git show ../x', false],
    ['git log *', 'git log a..b', true],
    ['git log *', 'git log ../b', true],
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
    ['/srv/app/sub', 'policy.yaml:7: the workdir is not within /srv/*'],
    ['/srv/link', 'policy.yaml:7: the workdir is not within /srv/*'],
    ['/etc', 'policy.yaml:7: the workdir is not within /srv/*'],
    [undefined, 'policy.yaml:7: a workdir within /srv/* is needed'],
  ])('workdir %s: %s', (workdir, verdict) => {
    expect(exec([rule('git status', { workdir: '/srv/*' })], 'git status', { workdir })).toBe(verdict)
  })

  test('the command runs where the check was made, not where a link leads by then', () => {
    const links: PolicyContext = { ...context, realpath: path => path.replace('/link/', '/srv/app/') }
    const policy: Policy = { kind: 'allowlist', rules: [rule('git status', { workdir: '/srv/**' })] }
    const request = execRequest.parse({ argv: ['git', 'status'], workdir: '/link/x' })
    expect(decide(token(policy), { type: 'exec', request }, links)).toMatchObject({
      allowed: true,
      workdir: '/srv/app/x',
    })
  })

  test('a rule that is bound to a folder does not let options lead out of it', () => {
    const bound = (words: string) => [rule(words, { workdir: '/srv/*' })]
    const at = { workdir: '/srv/app' }
    expect(exec(bound('git **'), 'git -C /etc status', at)).toBe(
      "policy.yaml:7: git -C leads out of the rule's workdir, and the rule does not name it",
    )
    expect(exec(bound('git -C /srv/other status'), 'git -C /srv/other status', at)).toBe('run /usr/bin/git')
    expect(exec(bound('docker compose **'), 'docker compose -f /tmp/x.yml up', at)).toContain(
      'docker compose -f leads out',
    )
    expect(exec(bound('docker compose **'), 'docker compose up -d', at)).toBe('run /usr/bin/docker')
    expect(exec([rule('git **')], 'git -C /etc status')).toBe('run /usr/bin/git')
  })

  test('nor links, wherever they lead', () => {
    const rules = [rule('docker build **', { workdir: '/srv/*' })]
    const build = (path: string) => exec(rules, ['docker', 'build', path], { workdir: '/srv/app' })
    expect(build('.')).toBe('run /usr/bin/docker')
    expect(build('new/x')).toBe('run /usr/bin/docker')
    expect(build('/srv/app/x')).toBe('run /usr/bin/docker')
    for (const path of ['link', 'link/x', 'dangling', '/etc', '/srv', 'a/'.repeat(100)])
      expect(build(path)).toContain("leads out of the rule's workdir")
  })

  test('and a rule that names one folder is bound to it', () => {
    const compose = [rule('docker compose -f /srv/app/compose.yaml **')]
    expect(exec(compose, 'docker compose -f /srv/app/compose.yaml up -d')).toBe('run /usr/bin/docker')
    expect(exec(compose, 'docker compose -f /srv/app/compose.yaml -f /tmp/evil.yaml up -d')).toContain(
      'docker compose -f leads out',
    )
    expect(exec([rule('git -C /srv/app **')], 'git -C /srv/app -C /tmp/evil status')).toContain(
      'git -C leads out',
    )
    expect(exec([rule('git -C /srv/app **')], 'git -C /srv/app status')).toBe('run /usr/bin/git')
  })

  test('a flood of paths costs no flood of look-ups', () => {
    let lookedUp = 0
    const counting: PolicyContext = {
      ...context,
      resolve: () => '/usr/bin/cat',
      realpath: path => {
        lookedUp += 1
        return path
      },
    }
    const policy: Policy = { kind: 'allowlist', rules: [rule('cat **', { workdir: '/srv/*' })] }
    const request = execRequest.parse({
      argv: ['cat', ...Array.from({ length: 20_000 }, (_, index) => `x${index}`)],
      workdir: '/srv/app',
    })
    expect(decide(token(policy), { type: 'exec', request }, counting).allowed).toBe(false)
    expect(lookedUp).toBeLessThan(1000)
  })
})

describe('destructive forms are refused unless a rule names them', () => {
  test.each([
    ['git reset --hard', 'git reset --hard'],
    ['git reset --har HEAD~1', 'git reset --hard'],
    ['git -C /x -c y=z reset --hard', 'git -c can make git run any program'],
    ['git -C /x --no-pager reset -q --hard', 'git reset --hard'],
    ['git --git-dir /x/.git --work-tree=/x reset --hard', 'git reset --hard'],
    ['git clean -fdx', 'git clean'],
    ['git --literal-pathspecs clean', 'git clean'],
    ['git --exec-path=/tmp status', 'git --exec-path can make'],
    ['git --config-env=a=B status', 'git --config-env can make'],
    ['git --config-env a=B status', 'git --config-env can make'],
    ['git --unheard-of status', 'git --unheard-of is not an option known here'],
    ['git fetch --upload-pack=/tmp/x', 'git fetch --upload-pack can run'],
    ['git fetch --upload-p /tmp/x', 'git fetch --upload-p can run'],
    ['git push --receive-pack /tmp/x', 'git push --receive-pack can run'],
    ['git clone -u /tmp/x host:y', 'git clone -u can run'],
    ['git clone -qcx=y host:y', 'git clone -qcx can run'],
    ['git clone --config=core.x=y h', 'git clone --config can run'],
    ['git fetch ext::sh', 'an ext:: or fd:: address'],
    ['git remote add x EXT::sh', 'an ext:: or fd:: address'],
    ['git rebase -x id', 'git rebase -x can run'],
    ['git rebase --exec=id', 'git rebase --exec can run'],
    ['git submodule foreach id', 'git submodule foreach'],
    ['git bisect run id', 'git bisect can run'],
    ['git config core.sshCommand id', 'git config can set'],
    ['git config core.fsmonitor /tmp/x list', 'git config can set'],
    ['git config --add core.pager id get', 'git config can set'],
    ['git checkout -qf main', 'git checkout -f throws away'],
    ['git checkout --forc main', 'git checkout --force throws away'],
    ['git switch --discard-changes main', 'git switch --discard-changes throws away'],
    ['git read-tree --reset -u HEAD', 'git read-tree --reset throws away'],
    ['git checkout-index --prefix=/etc/ -a', 'git checkout-index can write any file'],
    ['git bundle create /etc/x HEAD', 'git bundle can write any file'],
    ['git apply --unsafe-paths x', 'git apply --unsafe-paths can run'],
    ['git fast-export --export-marks=/etc/x', 'git fast-export --export-marks can run'],
    ['docker builder build -o /etc .', 'docker build -o writes files of the host'],
    ['docker build --iidfile=/etc/x .', 'docker build --iidfile writes files'],
    ['docker buildx bake --set *.output=/etc', 'docker buildx --set writes files'],
    ['docker compose config --output=/etc/x', 'docker config --output writes files'],
    ['docker run --cidfile /etc/x alpine', '--cidfile writes a file'],
    ['docker run --use-api-socket alpine', '--use-api-socket opens the host'],
    ['docker context create x --docker host=ssh://y', 'docker context create writes files or can run'],
    ['docker unshare sh', 'docker unshare is not among what is known to be harmless'],
    ['git diff --output=/etc/x', 'git diff --output can run'],
    ['git grep -Oid x', 'git grep -Oid can run'],
    ['git yolo', 'git yolo is not among what is known to be harmless'],
    ['docker compose down -v', 'docker down -v deletes volumes'],
    ['docker compose down --volumes', 'docker down --volumes deletes'],
    ['docker compose down --volumes=true', 'docker down --volumes deletes'],
    ['docker --context x compose -f y down -v', 'docker down -v deletes'],
    ['docker -c x --log-level=debug compose -p name --profile p down -vt5', 'docker down -vt5 deletes'],
    ['docker compose rm -fsv', 'docker rm -fsv deletes'],
    ['docker compose -t 5 down -v', 'docker compose -t is not an option known here'],
    ['docker-compose -f y down -v', 'docker down -v deletes'],
    ['docker system prune -af', 'docker system prune'],
    ['docker system -f prune', 'docker system prune'],
    ['docker volume prune', 'docker volume prune'],
    ['docker image prune', 'docker image prune'],
    ['docker builder prune', 'docker builder prune'],
    ['docker container prune', 'docker container prune'],
    ['docker volume rm data', 'docker volume rm'],
    ['docker volume create --opt device=/ x', 'docker volume create with options'],
    ['docker run -v /:/host alpine', 'mounts a folder of the host'],
    ['docker run -v/:/host alpine', 'mounts a folder of the host'],
    ['docker run -v=/:/host alpine', 'mounts a folder of the host'],
    ['docker run -itv /:/host alpine', 'mounts a folder of the host'],
    ['docker run --volume=/:/host alpine', 'mounts a folder of the host'],
    ['docker run --volume ./x:/host alpine', 'mounts a folder of the host'],
    ['docker container run --volume /:/h alpine', 'mounts a folder of the host'],
    ['docker container -v /:/h run alpine', 'the command has to follow at once'],
    ['docker create -v /:/h alpine', 'mounts a folder of the host'],
    ['docker compose run -v /:/h app', 'mounts a folder of the host'],
    ['docker run --mount type=bind,src=/,dst=/h alpine', '--mount can mount'],
    ['docker run --mount "type=bind",src=/,dst=/h alpine', '--mount can mount'],
    ['docker run --mount=dst=/h,volume-opt=device=/ alpine', '--mount can mount'],
    ['docker service create --mount type=bind,src=/,dst=/h x', '--mount can mount'],
    ['docker run --privileged alpine', '--privileged opens the whole host'],
    ['docker exec --privileged=true app sh', '--privileged opens the whole host'],
    ['docker compose exec --privileged app sh', '--privileged opens the whole host'],
    ['docker run --pid=host alpine', '--pid=host opens the host'],
    ['docker run --cap-add SYS_ADMIN alpine', '--cap-add opens the host'],
    ['docker run --device /dev/sda alpine', '--device opens the host'],
    ['docker cp app:/x /etc/cron.d/x', 'docker cp reads and writes'],
    ['docker -H tcp://evil ps', 'docker -H can run'],
    ['docker --config=/tmp/x ps', 'docker --config can run'],
    ['docker --frobnicate ps', 'docker --frobnicate is not an option known here'],
  ])('%s', (argv, reason) => {
    const [program] = argv.split(' ')
    for (const rules of [[anyArguments(`/usr/bin/${program}`)], [rule(`${program} **`)]]) {
      const verdict = exec(rules, argv)
      expect(verdict).toContain(reason)
      expect(verdict).toMatch(/^policy\.yaml:[37]: .*, and the rule does not name it$/)
    }
    // A rule that spells it out means it.
    expect(exec([rule(argv)], argv)).toBe(`run /usr/bin/${program}`)
  })

  test.each([
    'git reset --soft HEAD~1',
    'git fetch origin clean',
    'git commit -m reset --allow-empty',
    'git log --grep=clean --oneline -3',
    'git checkout --detach 0123abc',
    'git --no-pager -C /srv/app status --porcelain=v2 -z',
    'git merge --ff-only origin/main',
    'git config --get remote.origin.url',
    'git checkout -b feature --track origin/feature',
    'git push -u origin main',
    'git --exec-path',
    'docker compose up -d --build',
    'docker compose -f a.yml -p name --progress plain ps -a --format json',
    'docker compose down -t 5 --remove-orphans',
    'docker compose exec -T app rm -v x',
    'docker compose logs --tail 50 app',
    'docker inspect app',
    'docker run --rm -e A=b -p 80:80 -v data:/data alpine ls',
    'docker run --mount type=volume,src=data,dst=/data alpine',
    'docker image tag a b',
    'docker volume ls',
    'docker rm -f app',
    'docker ps',
  ])('not in the way of: %s', argv => {
    const [program] = argv.split(' ')
    expect(exec([anyArguments(`/usr/bin/${program}`)], argv)).toBe(`run /usr/bin/${program}`)
  })

  test('only the place that is named counts', () => {
    const rules = [rule('docker run -v /srv/data:/data **')]
    expect(exec(rules, 'docker run -v /srv/data:/data alpine')).toBe('run /usr/bin/docker')
    expect(exec(rules, 'docker run -v /srv/data:/data -v /:/host alpine')).toContain('does not name it')
    expect(exec([rule('git * --hard')], 'git reset --hard')).toContain('does not name it')
    expect(exec([rule('git reset --ha*')], 'git reset --hard')).toContain('does not name it')
    expect(exec([rule('docker run --volume=/srv/* alpine')], 'docker run --volume=/srv/x:/y alpine')).toBe(
      'run /usr/bin/docker',
    )
    expect(exec([rule('git -c safe.directory=* status')], 'git -c safe.directory=/srv/app status')).toBe(
      'run /usr/bin/git',
    )
    expect(exec([rule('git -c safe.directory=* status')], 'git -c core.pager=id status')).toContain(
      'these arguments',
    )
  })
})

describe('patterns', () => {
  test.each([
    ['*', '', true],
    ['a*c', 'abc', true],
    ['a*c', 'ac', true],
    ['a*a', 'a', false],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['[a].?', '[a].?', true],
    ['a.c', 'abc', false],
  ])('%s on %s', (pattern, text, matches) => {
    expect(matchesGlob(pattern, text)).toBe(matches)
  })

  test.each([
    ['/srv/*', '/srv/a', true],
    ['/srv/*', '/srv', false],
    ['/srv/*', '/srv/', false],
    ['/srv/*', '/srv/a/b', false],
    ['/srv/**', '/srv/a/b', true],
    ['/srv/**', '/srv', false],
    ['/srv/**/x', '/srv/a/b/x', true],
    ['/srv/**/x', '/srv/x', true],
    ['/srv/app', '/srv/app', true],
    ['/srv/app', '/srv/app2', false],
  ])('%s on the path %s', (pattern, path, matches) => {
    expect(matchesPath(pattern, path)).toBe(matches)
  })

  test('a hostile argument of megabytes costs no time', () => {
    const began = performance.now()
    expect(matchesGlob(`${'*a'.repeat(20)}b`, 'a'.repeat(2_000_000))).toBe(false)
    expect(performance.now() - began).toBeLessThan(2000)
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
    decide(token(given), { type: 'run', request: start(fields), digest: seen }, context)
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
        const decided = decide(token(policy), { type: 'run', request: request.data, digest }, context)
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
