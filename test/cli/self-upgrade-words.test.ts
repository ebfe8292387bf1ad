/** What a plan's words tell ahead: behind programs that run others, in shell text, and where they cannot tell. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isKnown } from '../../src/cli/self-upgrade/place.ts'
import { readShell } from '../../src/cli/self-upgrade/shell-text.ts'
import { stepEnds } from '../../src/cli/self-upgrade/step-ends.ts'
import { whatItRuns } from '../../src/cli/self-upgrade/what-it-runs.ts'
import { posixQuote } from '../../src/transport/quote.ts'

const step = (uses: string, given: object, more: object = {}) =>
  stepEnds({ id: 's', uses, when: null, cwd: '/srv/gw', env: {}, with: given, ...more } as never)
const command = (argv: unknown[], more: object = {}) => step('command', { argv }, more)
const script = (text: string, env: object = {}) => step('script', { script: text }, { env })
const GW = [{ kind: 'containers', names: ['gw'] }]

describe('a command is seen through', () => {
  const wrapper = fc.constantFrom(
    'sudo -u x',
    'sudo -nu x -gops A=b',
    'doas -u x',
    'env A=b',
    'env -i -u X A=b C=d',
    'nice -n 5',
    'nice -5',
    'ionice -c2 -n7',
    'timeout 30',
    'timeout -k 5 --signal=TERM 30s',
    'setsid -f',
    'nohup',
    'stdbuf -oL',
    'flock -n /run/x',
    'time -p',
    '/usr/bin/env',
    'exec',
    'command',
    'busybox',
  )
  const wrap = (depth: number): fc.Arbitrary<(argv: string[]) => string[]> =>
    fc
      .array(
        fc.oneof(
          wrapper.map(text => (argv: string[]) => [...text.split(' '), ...argv]),
          fc
            .constantFrom(
              'sh -c',
              'bash -euo pipefail -c',
              '/bin/dash -lc',
              'busybox sh -c',
              'flock /x -c',
              'su x -c',
            )
            .map(text => (argv: string[]) => [...text.split(' '), argv.map(posixQuote).join(' ')]),
        ),
        { minLength: 1, maxLength: depth },
      )
      .map(all => (argv: string[]) => all.reduceRight((inner, each) => each(inner), argv))

  test('however many programs and shells stand in front of it', () => {
    const commands = fc.constantFrom<{ argv: string[]; ends: object[] }>(
      { argv: ['docker', 'restart', 'gw'], ends: GW },
      {
        argv: ['/usr/bin/docker', 'rm', '-f', 'gw', "it's"],
        ends: [{ kind: 'containers', names: ['gw', "it's"] }],
      },
      { argv: ['systemctl', 'restart', 'hostlinkd'], ends: [{ kind: 'unit', unit: 'hostlinkd' }] },
      {
        argv: ['docker', 'compose', '-p', 'gw', 'up', '-d', 'agent'],
        ends: [{ project: 'gw', services: ['agent'] }],
      },
    )
    fc.assert(
      fc.property(commands, wrap(6), ({ argv, ends }, wrapped) => {
        const words = wrapped(argv)
        const inSu = words.includes('su') || words.some(word => /^su |[ ']su /.test(word))
        // Behind `su -c` the folder is the user's own: of a project only its name could tell.
        fc.pre(!(inSu && argv.includes('compose')))
        const found = command(words)
        expect(found.ends, words.join(' ')).toMatchObject(ends)
      }),
      { numRuns: 500 },
    )
  })

  test.each([
    ['sh -c with arguments', ['sh', '-c', 'docker restart "$1"', '_', 'gw'], GW],
    ['sh -c with all of them', ['sh', '-c', 'docker restart "$0"', 'gw'], GW],
    [
      'sudo with a folder',
      ['sudo', '-D', '/srv/other', 'docker', 'compose', 'stop'],
      [{ folder: '/srv/other' }],
    ],
    ['env with a folder', ['env', '-C', 'sub', 'docker', 'compose', 'stop'], [{ folder: '/srv/gw/sub' }]],
    [
      'env with a project',
      ['env', 'COMPOSE_PROJECT_NAME=x', 'docker', 'compose', 'stop'],
      [{ project: 'x' }],
    ],
    ['the engine of this place by name', ['docker', '-H', 'unix:///run/docker.sock', 'stop', 'gw'], GW],
    ['compose create', ['docker', 'compose', 'create', '--force-recreate', 'a'], [{ services: ['a'] }]],
    ['compose scale', ['docker', 'compose', 'scale', 'a=2'], [{ services: ['a'] }]],
  ])('%s', (_, argv, ends) => {
    expect(command(argv).ends).toMatchObject(ends)
  })

  test('on the way back of other kinds, and where somebody is told', () => {
    const undo = { script: 'docker restart gw', shell: 'bash' }
    expect(command(['true']).ends).toEqual([])
    expect(step('command', { argv: ['true'], undo }).ends).toEqual(GW)
    expect(
      step('compose.exec', { argv: ['docker', 'stop', 'x'], undo: ['docker', 'stop', 'gw'] }).ends,
    ).toEqual(GW)
    expect(step('compose.exec', { argv: ['true'], reactivate: undo }).ends).toEqual(GW)
    expect(step('notify', { command: ['docker', 'stop', 'gw'] }).ends).toEqual(GW)
  })
})

describe('a script is read', () => {
  test.each([
    ['docker restart gw', {}],
    ['set -eu\n# docker restart x\ndocker compose ps | grep -q gw && docker restart gw', {}],
    ['docker restart "$NAME"', { NAME: 'gw' }],
    ['set -eu\ndocker restart "$NAME"', { NAME: 'gw' }],
    ['docker restart ${NAME}', { NAME: 'gw' }],
    ['if docker inspect gw >/dev/null 2>&1; then docker restart gw; fi', {}],
    ['for i in 1 2 3; do docker restart gw && break; sleep 1; done', {}],
    ['case $X in a|b) true;; *) docker restart gw;; esac', {}],
    ['again() {\n  docker restart gw\n}\nagain', {}],
    ['(sleep 1; docker restart gw) &', {}],
    ['echo "$(docker restart gw)"', {}],
    ['echo `docker restart gw`', {}],
    ["trap 'docker restart gw' EXIT", {}],
    ['eval "docker restart gw"', {}],
    ['docker \\\n  restart \\\n  gw', {}],
    ['cat > /tmp/x <<EOF\ndocker restart other\nEOF\ndocker restart gw', {}],
    ['sudo -n sh -c "docker restart \'gw\'"', {}],
    ['A=(1 "$(true)" 3); docker restart gw', {}],
    ['2>/dev/null docker restart gw >/dev/null', {}],
    ['docker ps -q | while read -r id; do docker restart gw; done', {}],
  ])('%j', (text, env) => {
    expect(script(text, env)).toMatchObject({ ends: GW, unclear: [] })
  })

  test.each([
    ['cd /srv/other && docker compose up -d', '/srv/other'],
    ['cd /srv/other || exit 1\ndocker compose up -d', '/srv/other'],
    ['cd sub; docker compose up -d', '/srv/gw/sub'],
    ['(cd /elsewhere); docker compose up -d', '/srv/gw'],
    ['(cd /elsewhere && docker compose up -d)', '/elsewhere'],
    ['cd "$DIR"\ndocker compose --progress plain up -d', '/srv/dir'],
  ])('%j: in its folder', (text, folder) => {
    const found = script(text, { DIR: '/srv/dir' })
    expect(found).toMatchObject({ ends: [{ kind: 'project', folder }], unclear: [] })
  })

  test.each([
    ['docker restart "$NAME"', 'docker restart ...'],
    ['docker restart "$(docker ps -q)"', 'docker restart ...'],
    ['docker ps -q | xargs -r docker restart', 'docker restart ...'],
    ['docker compose up -d $SERVICES', 'docker compose up -d ...'],
    ['docker $VERB gw', 'docker ... gw'],
    ['"$RUNNER" restart gw', '... restart gw'],
    ['test -d /x && cd /x\ndocker compose up -d', 'docker compose up -d'],
    ['NAME=gw; docker restart $NAME', 'docker restart ...'],
    ['if true; then cd /elsewhere; fi; docker compose up -d', 'docker compose up -d'],
    ['cd /elsewhere | true; docker compose up -d', 'docker compose up -d'],
    ['. ./names; cd $X; docker compose up -d', 'docker compose up -d'],
    ['. ./env; docker restart gw-$X', '. ./env'],
    ['./deploy.sh', './deploy.sh'],
    ['sh deploy.sh', 'sh deploy.sh'],
    ['curl -fsS https://example.invalid/x | sh', 'sh'],
    ['make deploy', 'make deploy'],
    ['python3 -c "pass"', 'python3 -c pass'],
    ['systemctl restart "$UNIT"', 'systemctl restart ...'],
    ['env -S "docker restart gw"', 'env -S docker restart gw'],
    ['COMPOSE_PROJECT_NAME=$X docker compose up -d', 'docker compose up -d'],
    ['echo "never closed', 'sh -c echo "never closed'],
    ['ssh localhost docker restart gw', 'ssh localhost docker restart gw'],
    ['up() { docker compose up -d; }\ncd /elsewhere\nup', 'docker compose up -d'],
  ])('%j is not known', (text, what) => {
    const found = script(text)
    expect(found.ends).toEqual([])
    expect(found.unclear).toContain(what)
  })

  test.each([
    ['. ./names; docker restart "$NAME"', 'docker restart ...'],
    ['eval "$(cat names)"; docker restart $NAME', 'docker restart ...'],
    ["eval 'cd /elsewhere'; docker compose up -d", 'docker compose up -d'],
    ['export NAME=x; docker restart "$NAME"', 'docker restart ...'],
    ['read -r NAME; docker restart "$NAME"', 'docker restart ...'],
    [`sh -c 'set -- other; docker restart "$1"' _ gw`, 'docker restart ...'],
    [`sh -c 'f() { docker restart "$1"; }; f other' _ gw`, 'docker restart ...'],
  ])('%j: not what stood in a variable before', (text, what) => {
    expect(script(text, { NAME: 'gw' }).ends).toEqual([])
    expect(script(text, { NAME: 'gw' }).unclear).toContain(what)
  })

  test.each([
    ['echo docker restart gw'],
    ["printf '%s\\n' 'docker restart gw' | tee /tmp/x"],
    ['# docker restart gw'],
    ['sed -i s/a/b/ x; awk "{print}" x'],
    ['docker compose build && docker compose ps'],
    ['git pull; curl -fsS http://127.0.0.1/x'],
    ['DOCKER_HOST=tcp://other:2375 docker restart gw'],
  ])('%j ends nothing', text => {
    expect(script(text)).toMatchObject({ ends: [], unclear: [] })
  })

  test('of a step that is said to read nothing is told that cannot be known', () => {
    expect(step('command', { argv: ['./look.sh'], effect: 'read' }).unclear).toEqual([])
    expect(step('command', { argv: ['./look.sh'], effect: 'write' }).unclear).toEqual(['./look.sh'])
    expect(step('command', { argv: ['docker', 'restart', 'gw'], effect: 'read' }).ends).toEqual(GW)
  })

  test('a word that other steps or a secret decide is not known, and what is known counts', () => {
    const expression = { $expr: 'steps.a.stdout' }
    expect(command(['docker', 'restart', expression])).toMatchObject({
      ends: [],
      unclear: ['docker restart ...'],
    })
    expect(command(['docker', 'restart', 'gw', expression])).toMatchObject({
      ends: GW,
      unclear: ['docker restart gw ...'],
    })
    const up = step('compose.up', { dir: '/srv/gw', services: [expression] })
    expect(up).toMatchObject({ ends: [], unclear: ['compose.up'] })
  })
})

describe('whatever the text is', () => {
  test('it is read to its end, quickly', () => {
    const hostile = fc.array(
      fc.constantFrom(
        ...[
          'docker',
          'x=',
          '$',
          '${',
          '$(',
          '$((',
          '`',
          '"',
          "'",
          '\\',
          '(',
          ')',
          '{',
          '}',
          ';',
          ';;',
          '&&',
          '|',
        ],
        ...[
          '\n',
          ' ',
          '<<',
          '<<E\n',
          '>',
          '2>&1',
          '#',
          'if ',
          'case ',
          ' in ',
          'esac',
          'fi',
          'for ',
          'do ',
          'done',
          '()',
        ],
      ),
      { maxLength: 60 },
    )
    fc.assert(
      fc.property(
        fc.oneof(
          hostile.map(parts => parts.join('')),
          fc.string(),
        ),
        text => {
          const { commands } = readShell(text, { cwd: '/', env: new Map() })
          expect(commands.every(({ argv }) => argv.length > 0)).toBe(true)
        },
      ),
      { numRuns: 3000 },
    )
    const began = Date.now()
    for (const text of [
      '$('.repeat(30_000),
      '"$('.repeat(20_000),
      '('.repeat(60_000),
      '`'.repeat(60_000),
      '{ '.repeat(30_000),
    ])
      script(text)
    expect(Date.now() - began).toBeLessThan(20_000)
  })

  describe('a real shell runs nothing that was not foreseen', () => {
    let folder: string
    let runs = 0
    beforeAll(() => {
      folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-words-')))
      mkdirSync(join(folder, 'bin'))
      for (const name of ['one', 'two words', 'one/sub']) mkdirSync(join(folder, name))
      const stub = join(folder, 'bin', 'docker')
      writeFileSync(
        stub,
        `#!/bin/sh\nline=$PWD\nfor a; do line=$line\u0001$a; done\nprintf '%s\u0002' "$line" >> "$LOG"\n`,
      )
      chmodSync(stub, 0o755)
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    const value = fc.constantFrom(
      'gw',
      'a b',
      '',
      '$X',
      '"$X"',
      "'$X'",
      '${Y}',
      '"$Y z"',
      '\\$X',
      'a\\ b',
      'it"\'"s',
      '$(echo q)',
      '"`echo r`"',
      '$Z',
      '"$1"',
    )
    const simple = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.array(value, { maxLength: 3 }).map(words => ['docker', 'restart', ...words].join(' ')),
      },
      {
        weight: 2,
        arbitrary: fc.tuple(fc.constantFrom('X', 'Y', 'Z'), value).map(([name, given]) => `${name}=${given}`),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          'cd "$D/one"',
          'cd "$D/two words" || exit 1',
          'cd ..',
          'cd "$D"/one/sub',
          'cd',
        ),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          'true',
          'false',
          'unset X',
          'export Y=e',
          'set -- p q',
          'read X < /dev/null',
          'X=l eval docker restart \\$X',
          'sh -c "docker restart $X"',
          'sh -c \'docker restart "$1"\' _ $Y',
          'env Z=9 docker restart e',
          'Y=7 docker restart $Y',
          ': <<E\ndocker restart never\nE\n',
          'timeout 9 nice docker restart t',
          'echo $Y | xargs docker restart',
        ),
      },
    )
    const joints = fc.constantFrom('\n', '; ', ' && ', ' || ', ' | ', '\n# docker restart never\n')
    const { text } = fc.letrec<{ text: string; block: string }>(tie => ({
      text: fc
        .array(
          fc.tuple(
            fc.oneof({ weight: 3, arbitrary: simple }, { weight: 1, arbitrary: tie('block') }),
            joints,
          ),
          {
            minLength: 1,
            maxLength: 5,
          },
        )
        .map(parts =>
          parts
            .map(([part, joint]) => (part.endsWith('E\n') ? part : part + joint))
            .join('')
            .replace(/( && | \|\| | \| |; )$/, '\n'),
        ),
      block: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        tie('text').map(inner => `(${inner}\n)`),
        tie('text').map(inner => `{ ${inner}\n}`),
        fc.tuple(tie('text'), tie('text')).map(([a, b]) => `if ${a}\nthen ${b}\nelse ${a}\nfi`),
        tie('text').map(inner => `for X in 1 'k l'; do ${inner}\ndone`),
        tie('text').map(inner => `case "$X" in l*|'') ${inner}\n;; *) ${inner}\n;; esac`),
        tie('text').map(inner => `f() {\n${inner}\n}\nf`),
      ),
    }))

    test('in the words and the folder that were told', () => {
      fc.assert(
        fc.property(text, body => {
          // One each: what was cut off may still write.
          const log = join(folder, `log-${runs++}`)
          writeFileSync(log, '')
          const env = { X: 'start', Y: 'two parts', D: folder }
          try {
            execFileSync('sh', ['-c', body], {
              cwd: folder,
              stdio: 'ignore',
              timeout: 10_000,
              env: { ...env, LOG: log, PATH: `${join(folder, 'bin')}:${process.env.PATH}`, HOME: '/' },
            })
          } catch {
            // How it ends does not matter.
          }
          const told = whatItRuns({
            argv: ['sh', '-c', body],
            cwd: folder,
            env: new Map(Object.entries(env)),
          })
          const ran = readFileSync(log, 'utf8').split('\u0002').filter(Boolean)
          for (const each of ran) {
            const [cwd = '', ...args] = each.split('\u0001')
            const isTold = told.commands.some(
              one => fits([one.cwd ?? ''], [cwd]) && fits(one.argv, ['docker', ...args]),
            )
            expect(
              isTold || told.opaque.length > 0,
              `${body}\n--- ran: ${JSON.stringify([cwd, ...args])}\n--- told: ${JSON.stringify(told.commands.map(({ argv, cwd: at }) => [at, ...argv]))}`,
            ).toBe(true)
          }
        }),
        { numRuns: 150 },
      )
    }, 120_000)
  })
})

/** What is not known stands for anything, without quotes for none or many words. */
function fits(told: readonly string[], real: readonly string[]): boolean {
  if (told.some(word => !isKnown(word))) {
    const first = told.findIndex(word => !isKnown(word))
    return told.slice(0, first).every((word, at) => word === real[at])
  }
  return told.length === real.length && told.every((word, at) => word === real[at])
}
