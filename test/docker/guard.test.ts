/** A ref decides nothing on the host that its owner did not mean: trees that ask for more are refused before the checkout. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { type Files, makePlainStack, type PlainStack, STANDS } from '../rig/plain-stack.ts'

const missing = withoutDocker('the guard')
const LIMIT_MS = 120_000
const SECRET = 'word-of-a-foreign-file'

const compose = (gw = '', top = '') => `services: { gw: { ${STANDS}${gw} } }\n${top}`

describe.skipIf(missing !== null)('compose.guard', { timeout: LIMIT_MS }, () => {
  let rig: HostopsRig
  let stack: PlainStack
  let foreign: string
  let shared: PlainStack | undefined
  beforeEach(() => {
    rig = hostopsRig()
    foreign = join(rig.folder, 'foreign')
    writeFileSync(foreign, `${SECRET}\n`)
  })
  afterEach(async () => {
    if (stack !== shared) stack?.remove()
    await rig.remove()
  })

  const start = (files: Files = { 'compose.yaml': compose() }, ignored?: Record<string, string>) => {
    stack = makePlainStack(files, ignored)
    stack.compose('up', '-d')
    return stack.id('gw')
  }
  const playbook = (ref: string, allow: unknown = []) =>
    rig.playbook(
      'guarded',
      [
        { uses: 'git.fetch' },
        { uses: 'compose.guard', with: { ref, allow } },
        { uses: 'git.checkout', with: { ref } },
        { uses: 'compose.up', with: { watch: '0s' } },
      ],
      { defaults: { repo: stack.dir, dir: stack.dir, services: ['gw'] } },
    )
  /** With a folder for its private files in which nobody else has some. */
  const hostops = (...args: string[]) => rig.run(args, { env: { TMPDIR: rig.folder } })
  const upgrade = (ref: string, allow?: unknown) => hostops('run', playbook(ref, allow))
  const check = (ref: string, allow?: unknown) => hostops('run', playbook(ref, allow), '--check')

  const shaOf = (tag: string) =>
    execFileSync('git', ['-C', join(stack.folder, 'upstream'), 'rev-parse', tag], { encoding: 'utf8' }).trim()
  const written = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap(each =>
      each.isFile() ? [readFileSync(join(each.parentPath, each.name), 'utf8')] : [],
    )

  /** In upstream, as far as git needs it. */
  const addModule = (path: string) => {
    const upstream = join(stack.folder, 'upstream')
    mkdirSync(join(upstream, path), { recursive: true })
    const entry = `160000,${'1'.repeat(40)},${path}`
    execFileSync('git', ['-C', upstream, 'update-index', '--add', '--cacheinfo', entry])
  }

  type Refused = { words: string; files?: Files; arrange?: () => void }
  const trees: [string, () => Refused][] = [
    [
      'mounts /',
      () => ({
        words: 'gw would mount / of the host',
        files: { 'compose.yaml': compose(', volumes: ["/:/host"]') },
      }),
    ],
    [
      'mounts / by ..',
      () => ({
        words: 'gw would mount / of the host',
        files: { 'compose.yaml': compose(`, volumes: ["${'../'.repeat(12)}:/host"]`) },
      }),
    ],
    [
      'mounts a folder above',
      () => ({
        words: `gw would mount ${stack.folder} of the host`,
        files: { 'compose.yaml': compose(', volumes: ["..:/host"]') },
      }),
    ],
    [
      'mounts its own checkout',
      () => ({
        words: `gw would mount ${stack.dir} of the host`,
        files: { 'compose.yaml': compose(', volumes: [".:/app"]') },
      }),
    ],
    [
      'mounts its .git',
      () => ({
        words: `gw would mount ${stack.dir}/.git/hooks of the host`,
        files: { 'compose.yaml': compose(', volumes: ["./.git/hooks:/app"]') },
      }),
    ],
    [
      'mounts through a link',
      () => ({
        words: 'gw would follow the link data of the tree',
        files: { 'compose.yaml': compose(', volumes: ["./data/x:/x"]') },
        arrange: () => symlinkSync('/', join(stack.folder, 'upstream', 'data')),
      }),
    ],
    [
      'asks for privileged',
      () => ({ words: 'gw would run privileged', files: { 'compose.yaml': compose(', privileged: true') } }),
    ],
    [
      'asks for the socket',
      () => ({
        words: 'gw would mount the Docker socket',
        files: { 'compose.yaml': compose(', volumes: ["/var/run/docker.sock:/s"]') },
      }),
    ],
    [
      'asks for the network of the host',
      () => ({
        words: 'gw would use the network "host"',
        files: { 'compose.yaml': compose(', network_mode: host') },
      }),
    ],
    [
      'asks for the processes of the host',
      () => ({
        words: 'gw would use the pid namespace "host"',
        files: { 'compose.yaml': compose(', pid: host') },
      }),
    ],
    [
      'asks for a device',
      () => ({
        words: 'gw would use the device /dev/null of the host',
        files: { 'compose.yaml': compose(', devices: ["/dev/null:/dev/x"]') },
      }),
    ],
    [
      'asks for a capability',
      () => ({
        words: 'gw would have the capability SYS_ADMIN',
        files: { 'compose.yaml': compose(', cap_add: [SYS_ADMIN]') },
      }),
    ],
    [
      'publishes a port',
      () => ({
        words: 'gw would publish port 127.0.0.1:1',
        files: { 'compose.yaml': compose(', ports: ["127.0.0.1:1:1"]') },
      }),
    ],
    [
      'has git write another text than it keeps',
      () => ({
        words: 'the stack would have git apply working-tree-encoding to compose.yaml',
        files: {
          'compose.yaml': compose(),
          '.gitattributes': 'compose.yaml text working-tree-encoding=UTF-7\n',
        },
      }),
    ],
    [
      'has git run a filter over what it keeps',
      () => ({
        words: 'the stack would have git apply the filter owners to sub/more.yaml',
        files: {
          'compose.yaml': `include: [sub/more.yaml]\n${compose()}`,
          'sub/more.yaml': 'services: {}\n',
          'sub/.gitattributes': '[attr]x filter=other\n*.yaml filter=owners\n',
        },
      }),
    ],
    [
      'has git read attributes from the text of a link',
      () => ({
        words: 'the stack would have git apply the filter owners to compose.yaml',
        files: { 'compose.yaml': compose() },
        arrange: () => symlinkSync('*.yaml filter=owners', join(stack.folder, 'upstream', '.gitattributes')),
      }),
    ],
    [
      'has quotes in the names of what git writes in another way',
      () => ({
        words: 'the stack would have git apply the filter owners to "sub"/more.yaml',
        files: {
          'compose.yaml': `include: ['"sub"/more.yaml']\n${compose()}`,
          '"sub"/more.yaml': 'services: {}\n',
          '"sub"/.gitattributes': '*.yaml filter=owners\n',
        },
      }),
    ],
    [
      'has a second file of the same name but for a space',
      () => ({
        words: 'more would run privileged',
        files: {
          'compose.yaml': `include: [sub/a.yaml]\n${compose(', env_file: [{ path: "sub/a.yaml ", required: false }]')}`,
          'sub/a.yaml': `services: { more: { ${STANDS}, privileged: true } }\n`,
          'sub/a.yaml ': 'services: {}\n',
        },
      }),
    ],
    [
      'asks whether it is judged or started',
      () => ({
        words: 'gw would mount / of the host',
        files: { 'compose.yaml': compose(', volumes: ["${OLDPWD:+./more}${OLDPWD:-/}:/host"]') },
      }),
    ],
    [
      'asks whether it is judged or built',
      () => ({
        words: 'gw would read /etc of the host',
        files: {
          'compose.yaml': compose(', build: { context: "${BUILDX_NO_DEFAULT_ATTESTATIONS:+/}etc" }'),
        },
      }),
    ],
    [
      'reads an env_file that a container could put there later',
      () => ({
        words: `gw would read ${stack.dir}/data/later.env of the host as env_file`,
        files: { 'compose.yaml': compose(', env_file: [{ path: data/later.env, required: false }]') },
      }),
    ],
    [
      'extends a file of its own that a container could write',
      () => ({
        words: `gw would read ${stack.dir}/data/base.yaml of the host as extends`,
        files: {
          'compose.yaml': compose(', extends: { file: data/base.yaml, service: b }'),
          'data/base.yaml': 'services: { b: { tty: true } }\n',
        },
      }),
    ],
    [
      'has a submodule where a container could give it another repository',
      () => ({
        words: 'the stack would mount the submodule data/lib',
        files: { 'compose.yaml': compose(', tty: true') },
        arrange: () => addModule('data/lib'),
      }),
    ],
    [
      'mounts a submodule',
      () => ({
        words: 'the stack would mount the submodule lib',
        files: { 'compose.yaml': compose(', volumes: ["./lib:/lib"]') },
        arrange: () => addModule('lib'),
      }),
    ],
    [
      'mounts what a container could make a link of',
      () => ({
        words: `gw would mount ${stack.dir}/data/x of the host`,
        files: { 'compose.yaml': compose(', volumes: ["./data/x:/x"]') },
      }),
    ],
    [
      'takes a secret that a container could make a link of',
      () => ({
        words: `secrets/s would read ${stack.dir}/data/s of the host`,
        files: { 'compose.yaml': compose(', secrets: [s]', 'secrets: { s: { file: ./data/s } }\n') },
      }),
    ],
    [
      'reads an env_file that a container could make a link of',
      () => ({
        words: `gw would read ${stack.dir}/data/own.env of the host as env_file`,
        files: { 'compose.yaml': compose(', env_file: [data/own.env]') },
      }),
    ],
    [
      'reads an env_file that its own container could make a link of',
      () => ({
        words: `gw would read ${stack.dir}/more/own.env of the host as env_file`,
        files: { 'compose.yaml': compose(', env_file: [more/own.env], volumes: ["./more:/more"]') },
      }),
    ],
    [
      'builds an image of others',
      () => ({
        words: 'gw would build the image hostops-base',
        files: { 'compose.yaml': compose(', build: .') },
      }),
    ],
    [
      'hides it in a volume',
      () => ({
        words: 'volumes/vol would set driver_opts',
        files: {
          'compose.yaml': compose(
            ', volumes: ["vol:/v"]',
            'volumes: { vol: { driver_opts: { type: none, o: bind, device: / } } }\n',
          ),
        },
      }),
    ],
    [
      'hides it behind a profile and a dependency',
      () => ({
        words: 'more would run privileged',
        files: {
          'compose.yaml': `services: { gw: { ${STANDS} }, more: { ${STANDS}, privileged: true, profiles: [x] } }\n`,
        },
      }),
    ],
    [
      'hides it in an override that the tree brings',
      () => ({
        words: 'gw would run privileged',
        files: {
          'compose.yaml': `include: [sub/more.yaml]\nservices: { gw: { ${STANDS}, extends: { file: sub/base.yaml, service: b } } }\n`,
          'sub/more.yaml': 'services: {}\n',
          'sub/base.yaml': 'services: { b: { privileged: true } }\n',
        },
      }),
    ],
    [
      'reads a foreign env_file',
      () => ({
        words: `gw would read ${foreign} of the host as env_file`,
        files: { 'compose.yaml': compose(`, env_file: "${foreign}"`) },
      }),
    ],
    [
      'reads a foreign env_file by ..',
      () => ({
        words: 'of the host as env_file',
        files: { 'compose.yaml': compose(`, env_file: "../../${foreign.slice(5)}"`) },
      }),
    ],
    [
      'reads a foreign env_file by a variable',
      () => ({
        words: 'of the host as env_file',
        files: { 'compose.yaml': compose(`, env_file: "\${NONE:-${foreign}}"`) },
      }),
    ],
    [
      'reads a foreign label_file',
      () => ({
        words: 'of the host as label_file',
        files: { 'compose.yaml': compose(`, label_file: "${foreign}"`) },
      }),
    ],
    [
      'includes a foreign file',
      () => ({
        words: `the stack would include ${foreign}`,
        files: { 'compose.yaml': `include: ["${foreign}"]\n${compose()}` },
      }),
    ],
    [
      'includes a file from far away',
      () => ({
        words: 'the stack would include',
        files: { 'compose.yaml': `include: ["https://git.example/x.git"]\n${compose()}` },
      }),
    ],
    [
      'extends a foreign file',
      () => ({
        words: 'of the host as extends',
        files: { 'compose.yaml': compose(`, extends: { file: "${foreign}", service: a }`) },
      }),
    ],
    [
      'links an included file',
      () => ({
        words: 'the stack would include',
        files: { 'compose.yaml': `include: [more.yaml]\n${compose()}` },
        arrange: () => symlinkSync(foreign, join(stack.folder, 'upstream', 'more.yaml')),
      }),
    ],
    [
      'links its compose file',
      () => ({
        words: 'a link of the tree',
        files: { 'compose.yaml': null },
        arrange: () => symlinkSync(foreign, join(stack.folder, 'upstream', 'compose.yaml')),
      }),
    ],
    [
      'takes a foreign secret',
      () => ({
        words: `secrets/s would read ${foreign} of the host`,
        files: { 'compose.yaml': compose(', secrets: [s]', `secrets: { s: { file: "${foreign}" } }\n`) },
      }),
    ],
    [
      'takes a variable as a secret',
      () => ({
        words: 'secrets/s would be the variable HOME of the host',
        files: { 'compose.yaml': compose(', secrets: [s]', 'secrets: { s: { environment: HOME } }\n') },
      }),
    ],
    [
      'takes a foreign config',
      () => ({
        words: `configs/c would read ${foreign} of the host`,
        files: { 'compose.yaml': compose(', configs: [c]', `configs: { c: { file: "${foreign}" } }\n`) },
      }),
    ],
    [
      'builds from a foreign context',
      () => ({
        words: 'gw would read /etc of the host',
        files: { 'compose.yaml': compose(', build: { context: /etc }') },
      }),
    ],
    [
      'builds with another context',
      () => ({
        words: 'gw would read /etc of the host',
        files: { 'compose.yaml': compose(', build: { context: ., additional_contexts: { a: /etc } }') },
      }),
    ],
    [
      'builds in the network of the host',
      () => ({
        words: 'gw would set build.network: host',
        files: { 'compose.yaml': compose(', build: { context: ., network: host }') },
      }),
    ],
  ]

  describe('refuses a tree that', () => {
    const upstream = (...args: string[]) =>
      execFileSync('git', ['-C', join(stack.folder, 'upstream'), ...args])
    let id: string
    beforeAll(() => {
      const files = { 'compose.yaml': compose(', volumes: ["./data:/data"]') }
      id = start(files, { 'data/own.env': 'A=1\n', 'more/own.env': 'A=1\n' })
      shared = stack
    })
    beforeEach(() => {
      stack = shared!
      upstream('reset', '-q', '--hard', 'v1')
    })
    afterAll(() => shared?.remove())

    test.each(trees)('%s', async (name, tree) => {
      const { words, files = {}, arrange } = tree()
      const tag = name.replaceAll(/[^a-z]/g, '')
      if (files['compose.yaml'] === null) upstream('rm', '-q', 'compose.yaml')
      arrange?.()
      stack.release(tag, files['compose.yaml'] === null ? {} : files)
      const ended = await upgrade(tag)
      expect(ended.report).toMatchObject({ outcome: 'refused', errorCode: 'powers-added', changed: false })
      expect(ended.code).toBe(3)
      expect(ended.report.error).toContain(words)
      expect(ended.report.powersAdded?.map(each => each.words).join()).toContain(words)
      expect(ended.stdout + ended.stderr).not.toContain(SECRET)
      expect(written(rig.state).filter(text => text.includes(SECRET))).toEqual([])
      expect(stack.head()).toBe('v1')
      expect(stack.id('gw')).toBe(id)
      expect(readdirSync(rig.folder).filter(left => left.startsWith('hostops-guard.'))).toEqual([])
    })
  })

  test('lets a harmless upgrade pass, with and without what its owner keeps beside the tree', async () => {
    start(
      {
        'compose.yaml': compose(
          ', environment: { A: "${A}" }, env_file: [own.env], volumes: ["./data:/data"]',
        ),
      },
      { 'own.env': 'B=1\n' },
    )
    const id = stack.id('gw')
    stack.put({ '.env': 'A=1\n' })
    stack.release('v2', {
      'compose.yaml': `include: [sub/more.yaml]\n${compose(', environment: { A: "${A}", V: "2" }, env_file: [own.env], volumes: ["./data:/data"]')}`,
      'sub/more.yaml': 'services: {}\n',
    })
    const checked = await check('v2')
    expect(checked.report.outcome).toBe('planned')
    expect(checked.stderr).toMatch(/new configuration [0-9a-f]{12}: gw: .*environment/)
    const { report } = await upgrade('v2')
    expect(report).toMatchObject({ outcome: 'succeeded', powersAdded: [] })
    expect(report.afterSha).toBe(shaOf('v2'))
    expect(stack.id('gw')).not.toBe(id)
    expect(stack.env('gw')).toEqual(expect.arrayContaining(['A=1', 'B=1', 'V=2']))
  })

  test('lets a power pass that is allowed, and reports it', async () => {
    start()
    stack.release('v2', { 'compose.yaml': compose(', cap_add: [SYS_NICE], labels: { a: b }') })
    const refused = await upgrade('v2', 'gw:cap_add=SYS_NICE')
    expect(refused.report).toMatchObject({ errorCode: 'powers-added' })
    expect(refused.report.error).not.toContain('SYS_NICE')
    const keys = (await check('v2')).report.powersAdded!.map(each => each.key)
    expect(keys).toHaveLength(2)
    for (const allow of [keys.join(','), keys])
      expect((await check('v2', allow)).report.outcome).toBe('planned')
    const { report } = await upgrade('v2', keys)
    expect(report.outcome).toBe('succeeded')
    expect(report.powersAdded).toEqual(keys.map(key => ({ key, words: expect.any(String), allowed: true })))
  })

  test('goes on with what runs has already, and tells a tree that takes it from one that asks for more', async () => {
    const before = compose(`, volumes: ["${tmpdir()}:/t:ro"], env_file: "${foreign}", cap_drop: [NET_RAW]`)
    start({ 'compose.yaml': before })
    stack.release('v2', { 'compose.yaml': before.replace('cap_drop', 'environment: { V: "2" }, cap_drop') })
    stack.release('v3', { 'compose.yaml': before.replace('cap_drop: [NET_RAW]', 'restart: always') })
    expect((await check('v2')).report.outcome).toBe('planned')
    expect((await check('v3')).report.error).toContain('gw would no longer drop the capability NET_RAW')
    const climbs = before.replace(tmpdir(), '../'.repeat(stack.dir.split('/').length).slice(0, -1))
    stack.release('v4', { 'compose.yaml': climbs })
    const refused = (await check('v4')).report
    expect(refused.errorCode).toBe('compose-file-invalid')
    expect(refused.error).toContain('a path leads above /')
  })

  test('a seccomp profile of the tree counts by its text, one beside the tree by its name', async () => {
    const text = (action: string) => `{ "defaultAction": "SCMP_ACT_${action}" }\n`
    const lax = `{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [] }\n`
    const file = (profile: string, more = '') =>
      compose(`, security_opt: ["seccomp${profile}"], environment: { V: "${more}" }`)
    const added = async (tag: string, files: Files) => {
      stack.release(tag, files)
      const { report } = await check(tag)
      return report.powersAdded?.map(each => each.words) ?? report.outcome
    }
    start({ 'compose.yaml': file(':./p/seccomp.json'), 'p/seccomp.json': text('ALLOW') })
    expect(await added('same', { 'compose.yaml': file(':./p/seccomp.json', '2') })).toBe('planned')
    const other = await added('other', { 'p/seccomp.json': lax })
    expect(other).toEqual([
      expect.stringMatching(/^gw would set security_opt: seccomp:\.\/p\/seccomp\.json@[0-9a-f]{40}$/),
    ])
    const isTold = (said: unknown) => expect(said).toEqual([expect.stringContaining('security_opt: seccomp')])
    isTold(await added('absolute', { 'compose.yaml': file(`=${stack.dir}/p/seccomp.json`) }))
    // A container of the new version could write it.
    const written = compose(', security_opt: ["seccomp:./p/seccomp.json"], volumes: ["./p:/p"]')
    isTold(await added('written', { 'compose.yaml': written, 'p/seccomp.json': text('ALLOW') }))
  })

  test.each([
    ['that its owner keeps beside the tree', 'seccomp=own.json', 'planned'],
    ['behind a link of the tree', 'seccomp:link.json', 'refused'],
    ['behind a link of its owner to the tree', 'seccomp:alias/p/a.json', 'refused'],
    ['with a line break', 'seccomp:p/b\\nc.json', 'refused'],
  ])('a seccomp profile %s', async (_, option, outcome) => {
    const file = (more: string) => compose(`, security_opt: ["${option}"], environment: { V: "${more}" }`)
    const profile = '{ "defaultAction": "SCMP_ACT_ALLOW" }\n'
    const files = { 'compose.yaml': file('1'), 'p/a.json': profile, 'p/b\nc.json': profile }
    stack = makePlainStack({ ...files, '.gitignore': 'alias\nown.json\n' }, { 'own.json': profile })
    symlinkSync('p/a.json', join(stack.folder, 'upstream', 'link.json'))
    symlinkSync(stack.dir, join(stack.dir, 'alias'))
    stack.release('v1b', {})
    execFileSync('git', ['-C', stack.dir, 'fetch', '-q', '--tags'])
    execFileSync('git', ['-C', stack.dir, 'checkout', '-q', 'v1b'])
    stack.compose('up', '-d')
    const changed = `${profile}\n`
    stack.release('v2', { 'compose.yaml': file('2'), 'p/a.json': changed, 'p/b\nc.json': changed })
    expect((await check('v2')).report.outcome).toBe(outcome)
  })

  describe('of a stack in a folder of its checkout', () => {
    const startBelow = (gw: string) => {
      const files = { 'web/compose.yaml': compose(gw), 'lib/ca.pem': 'x', 'src/a.js': 'x' }
      stack = makePlainStack(files, { 'db/own.env': 'A=1\n', 'db/s': 'x', 'src/own.env': 'A=1\n' })
      stack.compose('--project-directory', 'web', '-p', stack.project, 'up', '-d')
    }
    const added = async (gw: string, top = '') => {
      stack.release(`v${Math.random()}`, { 'web/compose.yaml': compose(gw, top) })
      const given = { ref: 'main', repo: stack.dir, dir: join(stack.dir, 'web') }
      const file = rig.playbook('below', [{ uses: 'compose.guard', with: given }])
      const { report } = await hostops('run', file, '--check')
      return report.powersAdded?.map(each => each.key.replaceAll(stack.dir, '')) ?? report.outcome
    }

    test('what else is in the checkout is not its own, but for what git holds', async () => {
      startBelow(', volumes: ["./data:/d"]')
      expect(await added(', volumes: ["./data:/d", "../db/data:/x"]')).toEqual(['gw:bind=/db/data'])
      expect(await added(', volumes: ["../lib/ca.pem:/x:ro"]')).toEqual(['gw:bind-ro=/lib/ca.pem'])
      expect(await added(', env_file: ../db/own.env')).toEqual(['gw:env_file=/db/own.env'])
      const secret = (file: string) => added(', secrets: [s]', `secrets: { s: { file: ${file} } }\n`)
      expect(await secret('../db/s')).toEqual(['secrets/s:file=/db/s', 'gw:secrets=s'])
      expect(await secret('../lib/ca.pem')).toBe('planned')
      stack.release('more', { 'more.yaml': 'services: {}\n' })
      expect(await added(', tty: true', 'include: [../more.yaml]\n')).toBe('planned')
      // So it is written to have none.
      const none = 'include: [{ path: ../more.yaml, env_file: /dev/null }]\n'
      expect(await added(', env_file: /dev/null', none)).toBe('planned')
      expect(await added('', 'include: [/dev/null]\n')).toEqual(['include=/dev/null'])
    })

    test('what it has of the checkout, it goes on to have', async () => {
      const has = ', volumes: ["../src:/src"], env_file: ../src/own.env'
      startBelow(has)
      expect(await added(`${has}, tty: true`)).toBe('planned')
    })
  })

  test('a submodule that what runs has mounted may stay so', async () => {
    const mounts = compose(', volumes: ["./lib:/lib", "./data:/d:ro"]')
    stack = makePlainStack({ 'compose.yaml': mounts })
    for (const path of ['lib', 'data/lib']) addModule(path)
    stack.release('v1b', {})
    execFileSync('git', ['-C', stack.dir, 'fetch', '-q', '--tags'])
    execFileSync('git', ['-C', stack.dir, 'checkout', '-q', 'v1b'])
    stack.compose('up', '-d')
    stack.release('v2', { 'compose.yaml': mounts.replace('volumes', 'tty: true, volumes') })
    expect((await check('v2')).report.outcome).toBe('planned')
  })

  test("another project's volume is not the stack's own by its name alone", async () => {
    start()
    const name = `${stack.project}_db_data`
    stack.docker('volume', 'create', '--label', `com.docker.compose.project=${stack.project}_db`, name)
    const mount = compose(', volumes: ["db_data:/d"]', 'volumes: { db_data: }\n')
    stack.release('v2', { 'compose.yaml': mount })
    try {
      const { report } = await check('v2')
      expect(report.powersAdded?.map(each => each.key)).toEqual([`volumes/db_data:name=${name}`])
    } finally {
      stack.docker('volume', 'rm', name)
    }
    expect((await check('v2')).report.outcome).toBe('planned')
  })

  test('gives two refs two plan hashes, fetched or not, and leaves the checkout as it was', async () => {
    start()
    const state = () => execFileSync('git', ['-C', stack.dir, 'for-each-ref'], { encoding: 'utf8' })
    const refs = state()
    stack.release('v2', { 'compose.yaml': compose(', environment: { V: "2" }') })
    stack.release('v3', { 'compose.yaml': compose(', privileged: true') })
    const hashes = [await check('v2'), await check('v3', 'gw:privileged')].map(each => each.report.planHash)
    expect(new Set(hashes).size).toBe(2)
    expect(hashes).not.toContain(undefined)
    expect(state()).toBe(refs)
  })

  test('a refusal holds no value of an env file, and no word of Compose about one', async () => {
    const token = 'a-token-of-the-owner-1234'
    start(undefined, { 'own.env': 'OWN=another-one-of-the-owner-99\n' })
    stack.put({ '.env': `TOKEN="${token}"\n` })
    const said = async (tag: string, files: Files) => {
      stack.release(tag, files)
      const { stdout, stderr, report } = await check(tag)
      expect(stdout + stderr).not.toContain(token.slice(0, 12))
      expect(stdout + stderr).not.toContain('another-one')
      return report.errorCode
    }
    const all =
      ', cap_add: ["${TOKEN}"], pid: "container:${TOKEN}", labels: { a: "${TOKEN}" }, volumes: ["/x/${TOKEN}:/y"]'
    expect(await said('v2', { 'compose.yaml': compose(all) })).toBe('powers-added')
    expect(
      await said('included', {
        'compose.yaml': `include: [{ path: sub/more.yaml, env_file: own.env }]\n${compose()}`,
        'sub/more.yaml': `services: { more: { ${STANDS}, cap_add: ["\${OWN}"] } }\n`,
      }),
    ).toBe('powers-added')
    expect(await said('v3', { 'compose.yaml': compose(', ports: ["${TOKEN}"]') })).toBe(
      'compose-file-invalid',
    )
    expect(await said('v4', { 'compose.yaml': compose(', hostname: "${NONE:?${TOKEN}}"') })).toBe(
      'compose-file-invalid',
    )
    expect(
      await said('v5', { 'compose.yaml': compose(), '.gitignore': '', '.env': 'COMPOSE_FILE=/etc/passwd\n' }),
    ).toBe('powers-added')
  })

  test('a compose file that only Compose would read to its end, or would find elsewhere, is refused', async () => {
    start()
    const refused = async (tag: string, files: Files) => {
      stack.release(tag, files)
      const { report } = await check(tag)
      return { tag, errorCode: report.errorCode }
    }
    const foreignEnv = `services: { gw: { env_file: "${foreign}" } }\n`
    const long = `${compose()}# ${'\u00e9'.repeat(600_000)}\n---\n${foreignEnv}`
    const names = [...Array(9).keys()].map(n => `f${n}.yaml`)
    const many = Object.fromEntries(names.map(name => [name, `services: {}\n# ${'x'.repeat(1_000_000)}\n`]))
    const trees: [string, Files][] = [
      ['line', { 'compose.yaml': `${compose()}# one line\u0085x-more: 1\n` }],
      [
        'alias',
        { 'compose.yaml': `x-0: &a:${foreign} tty\nx-1: &a env_file\n${compose(`, *a:${foreign}`)}` },
      ],
      ['absolute', { 'compose.yaml': compose(`, extends: { file: "${stack.dir}/b.yaml", service: b }`) }],
      ['long', { 'compose.yaml': long }],
      [
        'many',
        {
          'compose.yaml': `include: [${names.join(', ')}]\n${compose()}`,
          ...many,
          'f8.yaml': `services: { x: { image: x, env_file: "${foreign}" } }\n${many['f8.yaml']}`,
        },
      ],
    ]
    stack.put({ 'b.yaml': 'services: { b: { tty: true } }\n' })
    stack.release('before', { 'b.yaml': 'services: { b: { privileged: true } }\n' })
    for (const [tag, files] of trees)
      expect(await refused(tag, files)).toEqual({ tag, errorCode: 'compose-file-invalid' })
  })

  test('a first deploy is judged by the files that Compose would find', async () => {
    stack = makePlainStack({ 'compose.yaml': compose(), 'compose.override.yaml': compose() })
    stack.release('v2', { 'compose.override.yml': 'services: { gw: { privileged: true } }\n' })
    const { report } = await check('v2', ['gw:registry=docker.io'])
    expect(report.powersAdded?.map(each => each.key)).toContain('gw:privileged')
    stack.release('named', { 'compose.yaml': `name: other\n${compose()}`, 'compose.override.yml': null })
    expect((await check('named', ['gw:registry=docker.io'])).report.powersAdded).toMatchObject([
      { key: 'name=other', words: 'the stack would be the project other' },
    ])
    stack.put({ '.env': 'COMPOSE_FILE=compose.yaml:more.yaml\n' })
    expect((await check('v2')).report).toMatchObject({ errorCode: 'compose-file-invalid' })
  })

  test('a file that was edited since gives no power, and one of its owner goes on to count', async () => {
    start({ 'compose.yaml': compose(', ports: ["127.0.0.1:${PORT:-1}:1"]') })
    stack.release('v2', { 'compose.yaml': compose(', ports: ["127.0.0.1:${PORT:-1}:1"], privileged: true') })
    stack.put({ 'compose.yaml': compose(', ports: ["127.0.0.1:${PORT:-1}:1"], privileged: true') })
    const { report, stderr } = await check('v2')
    expect(report).toMatchObject({ errorCode: 'powers-added' })
    expect(report.powersAdded?.map(each => each.key)).toContain('gw:privileged')
    expect(stderr).toContain('gw: a compose or env file changed after its container was created')
    stack.put({ 'compose.yaml': compose(', ports: ["127.0.0.1:${PORT:-1}:1"]'), '.env': 'PORT=2\n' })
    stack.release('v3', { 'compose.yaml': compose(', ports: ["127.0.0.1:${PORT:-1}:1"], tty: true') })
    const edited = (await check('v3')).report.powersAdded
    expect(edited?.map(each => each.key)).toEqual(['gw:port=127.0.0.1:2/tcp'])
  })

  test('what was judged is what is checked out', async () => {
    start()
    const inside = (...args: string[]) => execFileSync('git', ['-C', stack.dir, ...args])
    stack.release('v2', { 'compose.yaml': compose(', environment: { V: "2" }') })
    inside('branch', 'main', '-f')
    const file = rig.playbook(
      'other',
      [
        { uses: 'git.fetch' },
        { uses: 'compose.guard', with: { ref: 'main' } },
        { uses: 'git.checkout', with: { ref: 'main', pull: 'none' } },
        { uses: 'compose.up' },
      ],
      { defaults: { repo: stack.dir, dir: stack.dir, services: ['gw'] } },
    )
    const { report } = await rig.run(['run', file])
    expect(report).toMatchObject({ failedStep: 'git.checkout', errorCode: 'head-differs' })
  })

  test('a first deploy has no power that was not allowed', async () => {
    stack = makePlainStack({ 'compose.yaml': compose(', ports: ["127.0.0.1:1:1"]') })
    stack.release('v2', {})
    const { report } = await upgrade('v2')
    expect(report.powersAdded?.map(each => each.key)).toEqual([
      'gw:registry=docker.io',
      'gw:port=127.0.0.1:1/tcp',
    ])
    stack.release('v3', { 'compose.yaml': compose() })
    expect((await upgrade('v3', ['gw:registry=docker.io'])).report.outcome).toBe('succeeded')
  })
})
