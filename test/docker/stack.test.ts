/** The stack is what runs: upgrades of stacks that were started otherwise than Compose would by itself. */
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { freePort, removeHolders, TARGETS, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { FALLS, type Files, makePlainStack, type PlainStack, STANDS } from '../rig/plain-stack.ts'

const missing = withoutDocker('stacks as people start them')
const LIMIT_MS = 120_000

const service = (more = '', base = STANDS) => `services: { gw: { ${base}${more} } }\n`
const EXTRA = 'services: { gw: { volumes: ["data:/data", "./own:/own"] } }\nvolumes: { data: }\n'

describe.skipIf(missing !== null).each(TARGETS)('an upgrade on %s', { timeout: LIMIT_MS }, target => {
  let rig: HostopsRig
  let stack: PlainStack
  let daemon: DaemonRig | null = null
  beforeEach(async () => {
    rig = hostopsRig()
    if (target === 'hostlink') daemon = await startDaemonRig({ env: { HOME: rig.folder } })
  })
  afterEach(async () => {
    stack?.remove()
    await rig.remove()
    await daemon?.stop()
    daemon = null
  })
  const run = (...args: string[]) => {
    const env = daemon ? { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token } : {}
    return rig.run(['run', ...args, '--target', target], { env })
  }
  const playbook = (ref: string, up: object = {}, more: object = {}, last: object[] = []) =>
    rig.playbook(
      'upgrade',
      [
        { uses: 'git.dirty-check' },
        { uses: 'git.fetch' },
        { uses: 'git.checkout', with: { ref } },
        { uses: 'compose.up', with: { watch: '1s', ...up } },
        ...last,
      ],
      { defaults: { repo: stack.dir, dir: stack.dir, services: ['gw'], ...more } },
    )
  const upgrade = (...args: Parameters<typeof playbook>) => run(playbook(...args))
  const check = (...args: Parameters<typeof playbook>) => run(playbook(...args), '--check')
  const make = (files: Files, ignored?: Record<string, string>) => {
    stack = makePlainStack(files, ignored)
    return stack
  }
  const untouched = (id: string) => {
    expect(stack.id('gw')).toBe(id)
    expect(stack.head()).toBe('v1')
  }

  describe('of a stack that was started from two files', () => {
    test.each([
      ['good', STANDS],
      ['failing', FALLS],
    ])('keeps the mounts of both where the new version is %s', async (how, base) => {
      make({ 'docker-compose.yml': service() }, { 'docker-compose.extra.yml': EXTRA })
      stack.compose('-f', 'docker-compose.yml', '-f', 'docker-compose.extra.yml', 'up', '-d', 'gw')
      stack.release('v2', { 'docker-compose.yml': service(', environment: { V: "2" }', base) })
      const before = stack.states()
      const { report } = await upgrade('v2')
      expect(report.outcome).toBe(how === 'good' ? 'succeeded' : 'rolled-back')
      if (how === 'failing')
        expect(report).toMatchObject({ rollbackVerified: true, failedStep: 'compose.up' })
      expect(stack.mounts('gw')).toEqual(['/data', '/own'])
      expect(stack.env('gw').includes('V=2')).toBe(how === 'good')
      const inside = { service: 'gw', argv: ['ls', '/own'], effect: 'read' }
      const exec = rig.playbook('exec', [{ uses: 'compose.exec', with: { dir: stack.dir, ...inside } }])
      expect((await run(exec)).report.outcome).toBe('succeeded')
      expect(stack.states()).toEqual(before)
    })
  })

  // What hostlink adds knows nothing of stacks.
  if (target === 'hostlink') return

  test('that names other files, or finds one gone, is refused before anything changes', async () => {
    make({ 'docker-compose.yml': service() }, { 'docker-compose.extra.yml': EXTRA })
    stack.compose('-f', 'docker-compose.yml', '-f', 'docker-compose.extra.yml', 'up', '-d')
    stack.release('v2', { 'docker-compose.yml': service(', environment: { V: "2" }') })
    const id = stack.id('gw')
    const one = { files: ['docker-compose.yml'] }
    for (const ended of [await check('v2', {}, one), await upgrade('v2', {}, one)]) {
      expect(ended.report).toMatchObject({ outcome: 'refused', errorCode: 'stack-differs', changed: false })
      expect(ended.code).toBe(3)
      expect(ended.report.error).toContain('docker-compose.extra.yml')
      expect(ended.stderr).toContain('adopt: true')
    }
    untouched(id)
    const adopted = await upgrade('v2', {}, { ...one, adopt: true })
    expect(adopted.report).toMatchObject({ outcome: 'refused', errorCode: 'would-lose' })
    expect(adopted.report.error).toMatch(/gw would lose mount \/data from \S+_data/)
    expect(adopted.report.error).toContain(`gw would lose mount /own from ${stack.dir}/own`)
    untouched(id)
    stack.put({ 'docker-compose.extra.yml': null })
    const gone = await upgrade('v2')
    expect(gone.report).toMatchObject({ outcome: 'refused', errorCode: 'stack-differs' })
    expect(gone.report.error).toMatch(/docker-compose\.extra\.yml, which is gone/)
    untouched(id)
  })

  test('of another project name, a profile, an env file and a link uses what runs', async () => {
    make(
      {
        'compose.yaml': `services: { gw: { ${STANDS}, environment: { WHO: "\${WHO}" } }, more: { ${STANDS}, profiles: [extra] } }\n`,
      },
      { 'own.env': 'WHO=own\n' },
    )
    stack.put({ '.env': 'WHO=dotenv\n' })
    const project = `${stack.project}-link`
    const link = join(stack.folder, project)
    symlinkSync(stack.dir, link)
    stack.docker(
      'compose',
      '--project-directory',
      link,
      '--env-file',
      join(link, 'own.env'),
      '--profile',
      'extra',
      'up',
      '-d',
    )
    stack.release('v2', {
      'compose.yaml': `services: { gw: { ${STANDS}, environment: { WHO: "\${WHO}", V: "2" } }, more: { ${STANDS}, profiles: [extra], environment: { V: "2" } } }\n`,
    })
    const { report } = await upgrade('v2', {}, { services: [] })
    const env = (name: string) =>
      stack.docker('inspect', '--format', '{{json .Config.Env}}', `${project}-${name}-1`)
    try {
      expect(report.outcome).toBe('succeeded')
      expect(env('gw')).toContain('"WHO=own"')
      expect(env('gw')).toContain('"V=2"')
      expect(env('more')).toContain('"V=2"')
      expect(stack.states()).toEqual([])
    } finally {
      stack.docker('compose', '-p', project, '--profile', 'extra', 'down', '-t', '0')
      removeHolders(`label=hostops.project=${project}`)
    }
  })

  test('that calls the project otherwise stays the project that runs, and asks where none does', async () => {
    make({ 'compose.yaml': `name: first\n${service()}` })
    stack.release('v2', { 'compose.yaml': `name: second\n${service(', environment: { V: "2" }')}` })
    const fresh = await upgrade('v2')
    expect(fresh.report).toMatchObject({ errorCode: 'project-renamed', changed: false })
    stack.compose('-p', stack.project, 'up', '-d')
    expect((await upgrade('v2')).report.outcome).toBe('succeeded')
    expect(stack.env('gw')).toContain('V=2')
    expect(stack.docker('ps', '-aq', '--filter', 'label=com.docker.compose.project=second')).toBe('')
  })

  test('that would take a network, a port or a variable away is refused, unless the tree itself does', async () => {
    make({ 'compose.yaml': service(', ports: ["127.0.0.1::80"], environment: { OLD: "1" }') })
    stack.compose('up', '-d')
    const id = stack.id('gw')
    stack.docker('network', 'create', `${stack.project}-proxy`)
    try {
      stack.docker('network', 'connect', `${stack.project}-proxy`, id)
      stack.release('v2', { 'compose.yaml': service(', environment: { NEW: "1" }') })
      const checked = await check('v2')
      expect(checked.stderr).toContain(`gw would lose network ${stack.project}-proxy`)
      const refused = await upgrade('v2')
      expect(refused.report).toMatchObject({ outcome: 'refused', errorCode: 'would-lose', changed: false })
      untouched(id)
      stack.docker('network', 'disconnect', `${stack.project}-proxy`, id)
      const { report } = await upgrade('v2')
      expect(report).toMatchObject({
        outcome: 'succeeded',
        lost: [
          { service: 'gw', what: 'port a free port of 127.0.0.1 to 80/tcp' },
          { service: 'gw', what: 'environment OLD' },
        ],
      })
    } finally {
      stack.docker('network', 'rm', `${stack.project}-proxy`)
    }
  })

  test('after an edit of .env says so, and goes back to what ran', async () => {
    make(
      {
        'compose.yaml': service(
          ', environment: { LETTER: "${LETTER}", PRICE: "5$$" }, volumes: ["./${LETTER}:/letter"], labels: { letter: "${LETTER}" }',
        ),
      },
      { a: '', b: '' },
    )
    stack.put({ '.env': 'LETTER=a\n' })
    stack.compose('up', '-d')
    const hash = stack.inspect('gw', '{{index .Config.Labels "com.docker.compose.config-hash"}}')
    stack.put({ '.env': 'LETTER=b\n' })
    stack.release('v2', { 'compose.yaml': service(', environment: { LETTER: "${LETTER}" }', FALLS) })
    const checked = await check('v2', { allowLoss: true })
    expect(checked.stderr).toContain('a compose or env file was edited after it was made')
    for (const round of [1, 2]) {
      const { report, stderr } = await upgrade('v2', { allowLoss: true })
      expect(stderr, `round ${round}`).toContain('a rollback restores the configuration that runs')
      expect(report, `round ${round}`).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
      expect(stack.env('gw')).toContain('LETTER=a')
      expect(stack.env('gw')).toContain('PRICE=5$')
      expect(stack.inspect('gw', '{{(index .Mounts 0).Source}}')).toBe(join(stack.dir, 'a'))
      expect(stack.inspect('gw', '{{index .Config.Labels "com.docker.compose.config-hash"}}')).toBe(hash)
      expect(stack.read('.env')).toBe('LETTER=b\n')
    }
    stack.release('v3', { 'compose.yaml': service(', environment: { LETTER: "${LETTER}", V: "3" }') })
    expect((await upgrade('v3', { allowLoss: true })).report.outcome).toBe('succeeded')
    expect(stack.env('gw')).toContain('LETTER=b')
  })

  test('that fails stops what was stopped, removes its network, and names its volume', async () => {
    const worker = (more = '') => `worker: { ${STANDS}${more} }`
    const migration = 'mig: { image: "hostops-base:1", command: ["true"] }'
    const needs =
      'depends_on: { worker: { condition: service_started }, mig: { condition: service_completed_successfully } }'
    make({ 'compose.yaml': `services: { gw: { ${STANDS}, ${needs} }, ${worker()}, ${migration} }\n` })
    stack.compose('up', '-d')
    stack.compose('stop', '-t', '0', 'worker')
    const [before, networks] = [stack.states(), stack.networks()]
    expect(before).toEqual(['gw-1 running', 'mig-1 exited', 'worker-1 exited'])
    stack.release('v2', {
      'compose.yaml': `services: { gw: { ${FALLS}, ${needs}, networks: [fresh] }, ${worker(', networks: [fresh], volumes: ["fresh:/fresh"]')}, mig: { image: "hostops-base:1", command: ["true"], environment: { V: "2" } } }\nnetworks: { fresh: }\nvolumes: { fresh: }\n`,
    })
    const { report } = await upgrade('v2')
    expect(report.rollbackError).toBe(null)
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
      leftBehind: [`volume ${stack.project}_fresh`],
    })
    expect(stack.states().map(each => each.replace('created', 'exited'))).toEqual(before)
    expect(stack.networks()).toEqual(networks)
  })

  test.each(['bind', 'config', 'inline'])(
    'with only a mounted file changed (%s) replaces the container, and goes back to the old one',
    async kind => {
      const mount = {
        bind: (_text: string) => ({ more: ', volumes: ["./conf:/conf:ro"]', top: '' }),
        config: (_text: string) => ({
          more: ', configs: [{ source: c, target: /conf/one }]',
          top: 'configs: { c: { file: conf/one } }\n',
        }),
        inline: (text: string) => ({
          more: ', configs: [{ source: c, target: /conf/one }]',
          top: `configs: { c: { content: "${text}\\n" } }\n`,
        }),
      }[kind]!
      const loads =
        'image: "hostops-base:1", stop_grace_period: 0s, restart: always, command: [sh, -c, "cat /conf/one; if grep -q bad /conf/one; then exit 4; fi; exec sleep 1000"]'
      const files = (text: string) => {
        const { more, top } = mount(text)
        return { 'compose.yaml': `${service(more, loads)}${top}`, 'conf/one': `${text}\n` }
      }
      make(files('good'))
      stack.compose('up', '-d')
      const loaded = () => stack.docker('logs', stack.id('gw')).split('\n').at(-1)
      stack.release('v2', files('better'))
      const good = await upgrade('v2')
      expect(good.report).toMatchObject({ outcome: 'succeeded', services: [{ name: 'gw', changed: true }] })
      expect(good.stderr).not.toContain('nothing that runs has changed')
      expect(loaded()).toBe('better')
      stack.release('v3', files('bad'))
      const { report } = await upgrade('v3')
      expect(report).toMatchObject({
        outcome: 'rolled-back',
        rollbackVerified: true,
        failedStep: 'compose.up',
      })
      expect(loaded()).toBe('better')
    },
  )

  test('of two replicas behind a migration goes back as a whole', async () => {
    const files = (base: string, letter: string) => ({
      'compose.yaml': `services: { gw: { ${base}, scale: 2, depends_on: { mig: { condition: service_completed_successfully } } }, mig: { image: "hostops-base:1", command: [echo, "${letter}"] } }\n`,
    })
    make(files(STANDS, 'one'))
    stack.compose('up', '-d')
    const before = stack.states()
    expect(before.slice(0, 2)).toEqual(['gw-1 running', 'gw-2 running'])
    stack.release('v2', files(FALLS, 'two'))
    const { report, stderr } = await upgrade('v2')
    expect(report.rollbackError, stderr).toBe(null)
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
      failedStep: 'compose.up',
    })
    expect(stack.states().slice(0, 2)).toEqual(before.slice(0, 2))
    expect(stack.inspect('mig', '{{json .Config.Cmd}}')).toContain('one')
    stack.release('v3', files(STANDS, 'three'))
    const third = await upgrade('v3')
    expect(third.report.outcome, third.stderr).toBe('succeeded')
    expect(stack.states().slice(0, 2)).toEqual(before.slice(0, 2))
    expect(stack.docker('logs', stack.id('mig'))).toContain('three')
  })

  test('with a health URL that nobody answers says so before it begins, and in the error', async () => {
    make({ 'compose.yaml': service() })
    stack.compose('up', '-d')
    stack.release('v2', { 'compose.yaml': service(', environment: { V: "2" }') })
    const url = `http://127.0.0.1:${await freePort()}/healthz`
    const poll = { uses: 'health.poll', with: { urls: [url], timeout: '1s', interval: '200ms' } }
    const asked = playbook('v2', {}, {}, [poll])
    expect((await run(asked, '--check')).stderr).toContain('is the URL right?')
    const { report, stderr } = await run(asked)
    expect(stderr.indexOf(`${url}: nothing answers before the run`)).toBeGreaterThan(-1)
    expect(stderr.indexOf(`${url}: nothing answers before the run`)).toBeLessThan(
      stderr.indexOf('git.checkout: started'),
    )
    expect(report).toMatchObject({ outcome: 'rolled-back', errorCode: 'unhealthy' })
    expect(report.error).toContain('nothing answered there before the run either')
    expect(stack.env('gw')).not.toContain('V=2')
  })

  test('that fails writes through no link that a container has planted, and says that the file is not back', async () => {
    const files = (base: string) => ({
      'compose.yaml': `services: { gw: { ${base}, env_file: [data/agent.env], volumes: ["./data:/data"] } }\n`,
      '.gitignore': 'data\n',
    })
    make(files(STANDS))
    stack.put({ 'data/agent.env': 'A=1\n' })
    stack.compose('up', '-d')
    const victim = rig.write('victim', 'of root\n')
    const plants = `image: "hostops-base:1", restart: always, command: [sh, -c, "ln -sf ${victim} /data/agent.env; exit 3"]`
    stack.release('v2', files(plants))
    const { report } = await upgrade('v2')
    expect(rig.read('victim')).toBe('of root\n')
    expect(report).toMatchObject({ outcome: 'rollback-failed', rollbackVerified: false })
    expect(report.rollbackError).toContain('data/agent.env')
    expect(stack.states()).toEqual(['gw-1 running'])
  })

  test('of a tree that speaks hostops’ own words loses nothing by it', async () => {
    make({
      'compose.json': JSON.stringify({
        services: { gw: { image: 'hostops-base:1', command: ['sleep', '1000'], stop_grace_period: '0s' } },
      }),
      'stack.json': '{"files":["/nowhere.yaml"],"envFiles":[]}',
    })
    stack.compose('-f', 'compose.json', 'up', '-d')
    stack.release('v2', { 'README.md': 'two' })
    expect((await upgrade('v2')).report.outcome).toBe('succeeded')
    const keys = stack.docker(
      'ps',
      '-a',
      '--format',
      '{{.Label "hostops.holds"}}',
      '--filter',
      `label=hostops.project=${stack.project}`,
    )
    const [holds] = keys.split('\n')
    expect(holds).not.toBe('')
    const labelled = {
      image: 'hostops-base:1',
      command: ['sleep', '1000'],
      stop_grace_period: '0s',
      labels: { 'hostops.holds': holds },
    }
    stack.release('v3', { 'compose.json': JSON.stringify({ services: { gw: labelled } }) })
    expect((await upgrade('v3')).report.outcome).toBe('succeeded')
    expect(stack.states()).toEqual(['gw-1 running'])
  })

  test('whose secrets and configs have relative targets would lose none of them', async () => {
    const more =
      ', secrets: [{ source: s, target: cert.pem }], configs: [{ source: c, target: etc/rel.conf }]'
    make({
      'compose.yaml': `${service(more)}secrets: { s: { file: s } }\nconfigs: { c: { file: s } }\n`,
      s: 'x',
    })
    stack.compose('up', '-d')
    stack.release('v2', { 'README.md': 'two' })
    expect((await check('v2')).report.outcome).toBe('planned')
  })

  test('that moves the commit and nothing that runs leaves the containers alone, and the report says so', async () => {
    make({ 'compose.yaml': service(), 'README.md': 'one\n' })
    stack.compose('up', '-d')
    const id = stack.id('gw')
    stack.release('v2', { 'README.md': 'two\n' })
    const { report, stderr } = await upgrade('v2')
    expect(report).toMatchObject({ outcome: 'succeeded', services: [{ name: 'gw', changed: false }] })
    expect(stderr).toContain('Succeeded: commit moved, nothing that runs has changed')
    expect(stack.id('gw')).toBe(id)
  })
})
