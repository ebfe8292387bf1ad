/** The rollback set on a real engine: every shape of stack goes back to exactly what it was. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RecentReads } from '../../src/engine/recent-reads.ts'
import { forgetOld } from '../../src/steps/compose/tidy.ts'
import { composeUp } from '../../src/steps/compose/up.ts'
import { fails } from '../rig/checkout.ts'
import { makeBaseImage, withoutDocker } from '../rig/docker.ts'
import { type Rig, stepContext } from '../rig/step-context.ts'

const missing = withoutDocker('the rollback set')
const ANOTHER = `hostops-another-${process.pid}:1`
const SLEEP = 'command: ["sleep", "1000"], stop_grace_period: 0s'

describe.skipIf(missing !== null)('the rollback set', () => {
  let dir: string
  let home: string
  let project: string
  let ctx: Rig
  const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8', cwd: dir }).trim()
  const image = (letter: string) => `${project}-x:${letter}`
  const write = (name: string, text: string) => writeFileSync(join(dir, name), text)
  const input = (more: object = {}) => composeUp.schema().parse({ dir, project, watch: '0s', ...more })
  const compose = (...args: string[]) => docker('compose', '-p', project, '--progress', 'quiet', ...args)
  const running = () =>
    docker(
      ...['ps', '-a', '--format', '{{.Names}} {{.Image}}'],
      ...['--filter', `label=com.docker.compose.project=${project}`],
    )
      .split('\n')
      .filter(Boolean)
      .sort()
  const goBack = async (given: ReturnType<typeof input>, before: Awaited<ReturnType<typeof keep>>) => {
    await composeUp.undo!.restore!(ctx, given, before)
    await composeUp.undo!.reactivate!(ctx, given, before)
    await composeUp.undo!.verify!(ctx, given, before)
  }
  const keep = (given: ReturnType<typeof input>) => composeUp.act.snapshot!(ctx, given)

  beforeAll(() => {
    makeBaseImage()
    execFileSync('docker', ['build', '-q', '-t', ANOTHER, '-'], {
      input: 'FROM hostops-base:1\nLABEL is=another\n',
    })
  })
  afterAll(() => void spawnSync('docker', ['rmi', '-f', ANOTHER]))
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hostops-set-'))
    home = mkdtempSync(join(tmpdir(), 'hostops-home-'))
    project = basename(dir).toLowerCase()
    ctx = stepContext({ timeoutMs: 120_000, jobsFolder: join(home, 'jobs'), env: { XDG_STATE_HOME: home } })
    docker('tag', 'hostops-base:1', image('a'))
    docker('tag', ANOTHER, image('b'))
  })
  afterEach(() => {
    for (const id of docker('ps', '-aq', '--filter', `label=com.docker.compose.project=${project}`).split(
      '\n',
    ))
      if (id) docker('rm', '-f', id)
    spawnSync('docker', ['network', 'rm', `${project}_default`])
    const names = docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}').split('\n')
    for (const name of names) if (name.includes(`${project}-`)) docker('rmi', '-f', name)
    rmSync(dir, { recursive: true, force: true })
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  })

  test('of replicas with different images, scaled by hand', async () => {
    write('compose.yaml', `services: { app: { image: "${project}-x:run", ${SLEEP} } }\n`)
    docker('tag', image('a'), image('run'))
    compose('up', '-d', '--scale', 'app=1')
    docker('tag', image('b'), image('run'))
    compose('up', '-d', '--no-recreate', '--scale', 'app=2')
    const images = () => docker('inspect', '--format', '{{.Image}}', `${project}-app-1`, `${project}-app-2`)
    const before = images()
    expect(new Set(before.split('\n')).size).toBe(2)
    const set = await keep(input())
    expect(set.kept.images[0]?.others).toHaveLength(1)
    await composeUp.act.run(ctx, input({ forceRecreate: true }), set)
    expect(running()).toHaveLength(1)
    await goBack(input(), set)
    expect(images().split('\n').sort()).toEqual(before.split('\n').sort())
  })

  test('with an env file that changed and a service that is new', async () => {
    write('.env', 'LETTER=a\n')
    write('compose.yaml', `services: { app: { image: "${project}-x:\${LETTER}", ${SLEEP} } }\n`)
    compose('up', '-d')
    const before = running()
    const set = await keep(input())
    expect(set.kept.envFiles).toHaveLength(1)
    expect(statSync(set.kept.envFiles[0]!.kept).mode & 0o777).toBe(0o600)
    expect(statSync(set.kept.folder!).mode & 0o777).toBe(0o700)
    expect(set.kept.folder!.startsWith(home)).toBe(true)
    write('.env', 'LETTER=b\n')
    const old = readFileSync(join(dir, 'compose.yaml'), 'utf8')
    write(
      'compose.yaml',
      old.replace('services: {', `services: { fresh: { image: "${image('a')}", ${SLEEP} },`),
    )
    await composeUp.act.run(ctx, input(), set)
    expect(running()).toHaveLength(2)
    write('compose.yaml', old)
    await goBack(input(), set)
    expect(running()).toEqual(before)
    expect(readFileSync(join(dir, '.env'), 'utf8')).toBe('LETTER=a\n')
  })

  test.each<[string, () => void]>([
    ['is gone', () => rmSync(join(dir, 'compose.yaml'))],
    ['is no YAML any more', () => write('compose.yaml', 'services: [')],
    [
      'means something else now',
      () => write('compose.yaml', `services: { app: { image: "${image('b')}", command: ["sleep", "5"] } }\n`),
    ],
    [
      'has got another beside it',
      () =>
        write('compose.override.yaml', `services: { app: { environment: { PRICE: "none", MORE: "1" } } }\n`),
    ],
    ['includes one that is gone', () => rmSync(join(dir, 'part.yaml'))],
    [
      'includes one that means something else now',
      () => write('part.yaml', `services: { side: { image: "${image('a')}", command: ["sleep", "5"] } }\n`),
    ],
  ])('comes back where the compose file %s', async (how, breakIt) => {
    write('.env', "LETTER=a\nPRICE='5$$ or $${5}'\n")
    chmodSync(join(dir, '.env'), 0o640)
    write('part.yaml', `services: { side: { image: "${image('a')}", ${SLEEP} } }\n`)
    const app = `image: "${project}-x:\${LETTER}", environment: { PRICE: "\${PRICE}" }, ${SLEEP}`
    write('compose.yaml', `include: [part.yaml]\nservices: { app: { ${app} } }\n`)
    compose('up', '-d')
    const before = running()
    const price = () => docker('inspect', '--format', '{{json .Config.Env}}', `${project}-app-1`)
    const paid = price()
    const set = await keep(input())
    expect(statSync(join(set.kept.folder!, 'compose.json')).mode & 0o777).toBe(0o600)
    write('.env', 'LETTER=b\nPRICE=6\n')
    await composeUp.act.run(ctx, input(), set)
    expect(running()).not.toEqual(before)
    rmSync(join(dir, '.env'))
    breakIt()
    const files = readdirSync(dir).filter(name => name !== '.env')
    await goBack(input(), set)
    expect(running()).toEqual(before)
    expect(price()).toBe(paid)
    expect(statSync(join(dir, '.env')).mode & 0o777).toBe(0o640)
    // A file that lies beside those of the running containers is no part of the stack.
    const fromKept = `the stack comes back from the configuration kept in ${set.kept.folder}`
    if (how === 'has got another beside it') expect(ctx.said.join('\n')).not.toContain(fromKept)
    else expect(ctx.said.join('\n')).toContain(fromKept)
    // Nothing of the checkout but the env file is touched.
    expect(readdirSync(dir).filter(name => name !== '.env')).toEqual(files)
  })

  test('with files that only others reach: what is included, extended and mounted is as before, or what was kept is used', async () => {
    const service = (more: string) => `{ image: "${image('a')}", ${SLEEP}, ${more} }`
    mkdirSync(join(dir, 'deep/er'), { recursive: true })
    write(
      'deep/part.yaml',
      `services: { side: ${service('env_file: side.env, secrets: [word]')} }\nsecrets: { word: { file: word.txt } }\n`,
    )
    write('deep/side.env', 'SIDE=1\n')
    write('deep/word.txt', 'old word\n')
    write('deep/er/base.yaml', 'services: { base: { extends: { file: base2.yaml, service: base2 } } }\n')
    const base2 = (price: string) => `services: { base2: { environment: { PRICE: "${price}" } } }\n`
    write('deep/er/base2.yaml', base2('5'))
    write('page.conf', 'old page\n')
    const files = ['extends: { file: deep/er/base.yaml, service: base }', 'configs: [page]']
    write(
      'compose.yaml',
      `include: [deep/part.yaml]\nservices: { app: ${service(files.join(', '))} }\nconfigs: { page: { file: ./page.conf } }\n`,
    )
    compose('up', '-d')
    const facts = () =>
      running().map(line =>
        docker('inspect', '--format', '{{json .Config.Env}}{{.Image}}', line.split(' ')[0]!),
      )
    const before = facts()
    expect(before.join()).toContain('PRICE=5')
    const set = await keep(input())

    // Changed and brought to run, then not taken back by any step of git.
    write('deep/er/base2.yaml', base2('6'))
    write('deep/side.env', 'SIDE=2\n')
    write('deep/word.txt', 'new word\n')
    write('page.conf', 'new page\n')
    await composeUp.act.run(ctx, input(), set)
    expect(facts()).not.toEqual(before)
    await goBack(input(), set)
    expect(facts()).toEqual(before)
    const read = (name: string) => readFileSync(join(dir, name), 'utf8')
    expect(['deep/side.env', 'deep/word.txt', 'page.conf'].map(read)).toEqual([
      'SIDE=1\n',
      'old word\n',
      'old page\n',
    ])
    expect(ctx.said.join('\n')).toContain('the compose files do not give what they gave before the run')
    // Of the compose files themselves nothing is touched: they belong to the checkout.
    expect(read('deep/er/base2.yaml')).toBe(base2('6'))

    // All as before again: the files are used, and nothing is replaced for it.
    write('deep/er/base2.yaml', base2('5'))
    compose('up', '-d')
    const ids = running()
    ctx.said.length = 0
    await goBack(input(), await keep(input()))
    expect(running()).toEqual(ids)
    expect(ctx.said.join('\n')).not.toContain('not as before')
  })

  test('is not all that a check sees: whatever file of the stack changes, and what the file does not know', async () => {
    const app = (more = '') => `services: { app: { image: "${image('a')}", ${SLEEP}${more} } }\n`
    mkdirSync(join(dir, 'part'))
    write('part/part.yaml', `services: { side: { image: "${image('a')}", ${SLEEP}, env_file: side.env } }\n`)
    write('part/side.env', 'SIDE=1\n')
    write('base.yaml', 'services: { base: { labels: { of: base } } }\n')
    write('word.txt', 'a word\n')
    const mine = (more: string) =>
      write('compose.yaml', `include: [part/part.yaml]\nsecrets: { word: { file: word.txt } }\n${app(more)}`)
    const more = ', secrets: [word], extends: { file: base.yaml, service: base }'
    mine(more)
    compose('up', '-d')
    const check = async (given = input()) => {
      const found = await composeUp.look!.check!(ctx, given)
      return { texts: found.map(({ text }) => text), seen: JSON.stringify(found.map(({ seen }) => seen)) }
    }
    const first = await check()
    const told = 'container'
    expect(first.texts).toEqual([
      `app: 1 ${told}`,
      `side: 1 ${told}`,
      expect.stringMatching(/^configuration [0-9a-f]{12}, with all files that it is made of$/),
    ])
    expect(await check()).toEqual(first)

    const other = ', will be replaced: a compose or env file was edited after it was made'
    const changes: [file: string, text: string, texts: string[]][] = [
      ['part/side.env', 'SIDE=2\n', [`app: 1 ${told}`, `side: 1 ${told}${other}`]],
      [
        'base.yaml',
        'services: { base: { labels: { of: other } } }\n',
        [`app: 1 ${told}${other}`, `side: 1 ${told}`],
      ],
      // Mounted, so that no container has to be replaced for it.
      ['word.txt', 'another\n', [`app: 1 ${told}`, `side: 1 ${told}`]],
      [
        'compose.yaml',
        app(),
        [
          'app would lose secret word',
          `app: 1 ${told}${other}`,
          `${project}-side-1 belongs to no service of the compose file (it was side) and stays: removeOrphans would remove it`,
        ],
      ],
    ]
    for (const [file, text, texts] of changes) {
      const old = readFileSync(join(dir, file), 'utf8')
      write(file, text)
      const now = await check()
      expect(now.texts.slice(0, -1)).toEqual(texts)
      expect(now.seen).not.toBe(first.seen)
      write(file, old)
      expect(await check()).toEqual(first)
    }
    write('compose.yaml', app(more.replace('secrets: [word], ', '')))
    expect((await check(input({ removeOrphans: true }))).texts).toContain(
      `${project}-side-1 belongs to no service of the compose file (it was side) and will be removed`,
    )
    expect((await check(input({ services: ['app'] }))).texts.join()).toContain('belongs to no service')
  })

  test('of files that variables name: compose itself is asked whether it is as before', async () => {
    const app = (more: string) => `services: { app: { image: "${image('a')}", ${more} } }\n`
    write('.env', 'COMPOSE_FILE=main.yml\nPART=part.yaml\n')
    write('main.yml', 'include: ["${PART}"]\n')
    write('part.yaml', app(SLEEP))
    compose('up', '-d')
    const before = docker('inspect', '--format', '{{json .Config.Cmd}}', `${project}-app-1`)
    const set = await keep(input())
    write('part.yaml', app('command: ["sleep", "5"], restart: always'))
    await composeUp.act.run(ctx, input(), set)
    await goBack(input(), set)
    expect(docker('inspect', '--format', '{{json .Config.Cmd}}', `${project}-app-1`)).toBe(before)
  })

  test.each<[string, { p?: true; env?: true; dotenv?: true }]>([
    ['-p', { p: true, env: true, dotenv: true }],
    ['the environment', { env: true, dotenv: true }],
    ['.env', { dotenv: true }],
    ['the compose file', {}],
  ])(
    'of a project that has its name from %s, whatever weaker places say',
    async (_where, { p, env, dotenv }) => {
      // The strongest place has the true name, the weaker ones another.
      const name = (strongest: boolean) => (strongest ? project : `${project}-not`)
      write('.env', dotenv ? `COMPOSE_PROJECT_NAME=${name(!env)}\n` : 'NONE=1\n')
      const app = `app: { image: "${project}-x:run", ${SLEEP} }`
      write('compose.yaml', `name: ${name(!dotenv)}\nservices: { ${app} }\n`)
      const more = env ? { COMPOSE_PROJECT_NAME: name(!p) } : {}
      const named = stepContext({
        timeoutMs: 120_000,
        jobsFolder: join(home, 'jobs'),
        env: { XDG_STATE_HOME: home, ...more },
      })
      const given = composeUp.schema().parse({ dir, watch: '0s', ...(p ? { project } : {}) })
      docker('tag', image('a'), image('run'))
      compose('up', '-d')
      const before = docker('inspect', '--format', '{{.Image}}', `${project}-app-1`)
      const set = await composeUp.act.snapshot!(named, given)
      expect(set.kept.project).toBe(project)
      docker('tag', image('b'), image('run'))
      await composeUp.act.run(named, given, set)
      expect(docker('inspect', '--format', '{{.Image}}', `${project}-app-1`)).not.toBe(before)
      await composeUp.undo!.restore!(named, given, set)
      await composeUp.undo!.reactivate!(named, given, set)
      await composeUp.undo!.verify!(named, given, set)
      expect(docker('inspect', '--format', '{{.Image}}', `${project}-app-1`)).toBe(before)
      expect(running()).toHaveLength(1)
      expect(docker('ps', '-aq', '--filter', `label=com.docker.compose.project=${project}-not`)).toBe('')
    },
  )

  test('that lost a file says so before anything is touched, and empties none', async () => {
    write('.env', 'LETTER=a\n')
    write('compose.yaml', `services: { app: { image: "${project}-x:\${LETTER}", ${SLEEP} } }\n`)
    compose('up', '-d')
    const set = await keep(input())
    const lost = set.kept.envFiles[0]!.kept
    rmSync(lost)
    expect(await composeUp.undo!.rehearse!(ctx, input(), set)).toMatchObject([
      { failure: { code: 'rollback-set-missing', what: [lost] } },
    ])
    write('.env', 'LETTER=b\n')
    await composeUp.undo!.restore!(ctx, input(), set)
    await fails(composeUp.undo!.reactivate!(ctx, input(), set), { code: 'not-restored' })
    expect(readFileSync(join(dir, '.env'), 'utf8')).toBe('LETTER=b\n')
  })

  test('of several files, a profile, a dependency, and what somebody else runs stays', async () => {
    const one = (name: string, more = '') => `${name}: { image: "${image('a')}", ${SLEEP}${more} }`
    write(
      'one.yaml',
      `services: { ${one('app', ', depends_on: [db], profiles: [extra]')}, ${one('other')} }\n`,
    )
    write('two.yaml', `services: { ${one('db')} }\n`)
    const given = input({ files: ['one.yaml', 'two.yaml'], services: ['app'] })
    const set = await keep(given)
    expect(set.kept.images.map(each => each.service).sort()).toEqual(['app', 'db'])
    await composeUp.act.run(ctx, given, set)
    compose('-f', 'one.yaml', '-f', 'two.yaml', 'up', '-d', 'other')
    expect(running()).toHaveLength(3)
    await goBack(given, set)
    expect(running().map(line => line.split(' ')[0])).toEqual([`${project}-other-1`])
  })

  test('is looked for before anything is stopped', async () => {
    write('compose.yaml', `services: { app: { image: "${project}-x:run", ${SLEEP} } }\n`)
    docker('tag', image('b'), image('run'))
    compose('up', '-d')
    const set = await keep(input())
    docker('tag', image('a'), image('run'))
    await composeUp.act.run(ctx, input(), set)
    const before = running()
    const { pin } = set.kept.images[0]!
    docker('rmi', pin!, image('b'))
    expect(await composeUp.undo!.rehearse!(ctx, input(), set)).toMatchObject([
      { failure: { code: 'pin-lost', pins: [pin] } },
    ])
    // Nothing here could build it again.
    expect(await composeUp.undo!.restore!(ctx, input(), set)).toEqual({ changed: false })
    await fails(composeUp.undo!.reactivate!(ctx, input(), set), {
      code: 'pin-lost',
      pins: [pin],
      rebuilt: [],
    })
    expect(running()).toEqual(before)
  })

  test('of a configuration that no single command can take', async () => {
    const big = 'x'.repeat(700_000)
    write(
      'compose.yaml',
      `services: { app: { image: "${image('a')}", ${SLEEP}, configs: [big] } }\nconfigs: { big: { content: "${big}" } }\n`,
    )
    compose('up', '-d')
    const looks: RecentReads = new Map()
    const sharing = stepContext({ jobsFolder: join(home, 'jobs'), env: { XDG_STATE_HOME: home }, looks })
    const kept = await Promise.all([1, 2].map(() => composeUp.act.snapshot!(sharing, input())))
    const rendered = docker('compose', '-p', project, 'config', '--format', 'json')
    for (const { kept: each } of kept)
      expect(readFileSync(join(each.folder!, 'compose.json'), 'utf8').trim()).toBe(rendered)
    expect(readdirSync(kept[0]!.kept.folder!).filter(name => name.startsWith('.new'))).toEqual([])
  })

  test('that an earlier release kept below the home folder still brings the stack back, and goes in its turn', async () => {
    write('.env', 'LETTER=a\n')
    write('compose.yaml', `services: { app: { image: "${project}-x:\${LETTER}", ${SLEEP} } }\n`)
    compose('up', '-d')
    const before = running()
    const old = await composeUp.act.snapshot!({ ...ctx, runId: 'old' }, input())
    expect(old.kept.folder).toContain(`${home}/hostops/rollback/`)
    write('.env', 'LETTER=b\n')
    compose('up', '-d')
    await goBack(input(), old)
    expect(running()).toEqual(before)
    const here = { ...ctx, stateFolder: join(home, 'state'), runId: 'new' }
    const now = await composeUp.act.snapshot!(here, input())
    expect(now.kept.folder).toContain(`${home}/state/rollback/`)
    await forgetOld(here, now.kept, 1)
    expect(existsSync(join(old.kept.folder!, '..'))).toBe(false)
    expect(existsSync(now.kept.folder!)).toBe(true)
    const pins = docker('image', 'ls', '--format', '{{.Tag}}', `hostops/rollback/${project}-app`)
    expect(pins).toBe('new')
  })

  test('of old runs goes, of this run and of other stacks stays', async () => {
    write('compose.yaml', `services: { app: { image: "${image('a')}", ${SLEEP} } }\n`)
    compose('up', '-d')
    const sets = []
    for (const runId of ['run-1', 'run-2', 'run-3']) {
      sets.push(await composeUp.act.snapshot!({ ...ctx, runId }, input()))
      // Newer than the one before, for a clock of whole seconds too.
      execFileSync('touch', ['-d', `2026-01-0${sets.length}`, join(sets.at(-1)!.kept.folder!, '..')])
    }
    docker('tag', image('a'), `hostops/rollback/${project}0-app:run-1`)
    // As one run leaves them that has upgraded another stack too, whose project begins with this one's name.
    const other = join(home, 'hostops/rollback/other/run-1/part')
    mkdirSync(other, { recursive: true })
    docker('tag', image('a'), `hostops/rollback/${project}-two-app:run-1`)
    writeFileSync(join(other, 'pins'), `hostops/rollback/${project}-two-app:run-1 sha256:1\n`)
    await forgetOld(ctx, sets[2]!.kept, 2)
    const pins = docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}')
      .split('\n')
      .filter(name => name.includes(`/${project}`))
    docker('rmi', `hostops/rollback/${project}0-app:run-1`)
    expect(pins.map(name => name.split('/')[2]).sort()).toEqual([
      `${project}-app:run-2`,
      `${project}-app:run-3`,
      `${project}-two-app:run-1`,
      `${project}0-app:run-1`,
    ])
  })

  test('takes the names of failed versions along, and none of a stack whose project begins with its name', async () => {
    write('compose.yaml', `services: { app: { image: "${image('a')}", ${SLEEP} } }\n`)
    compose('up', '-d')
    const set = await composeUp.act.snapshot!({ ...ctx, runId: 'now' }, input())
    await composeUp.act.snapshot!({ ...ctx, runId: 'killed' }, input())
    const failed = (name: string) => `hostops/failed/${project}-${name}`
    const all = [failed('app:now'), failed('app:killed'), failed('two-app:theirs')]
    for (const name of all) docker('tag', image('a'), name)
    await forgetOld({ ...ctx, runId: 'now' }, set.kept, 5)
    const left = docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}').split('\n')
    expect(all.filter(name => left.includes(name))).toEqual([failed('two-app:theirs')])
  })
})
