/** What a process can know of the container that it is in, and what of it a plan replaces. */
import { describe, expect, test } from 'vitest'
import { containerIds } from '../../src/cli/self-upgrade/own-container.ts'
import { isEnded, selfUpgrade } from '../../src/cli/self-upgrade/refusal.ts'
import { stepEnds } from '../../src/cli/self-upgrade/step-ends.ts'
import type { Plan } from '../../src/engine/plan.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { startDaemonRig } from '../rig/daemon.ts'
import { hostopsRig } from '../rig/hostops.ts'

const ID = 'a1'.repeat(32)
const OTHER = 'b2'.repeat(32)
const mount = (root: string, point: string) =>
  `651 640 254:1 ${root} ${point} rw,relatime - ext4 /dev/vda1 rw`

describe('the container that a process is in', () => {
  test.each([
    ['docker', mount(`/var/lib/docker/containers/${ID}/hostname`, '/etc/hostname'), '0::/', 'web', [ID]],
    [
      'docker with a data root',
      mount(`/data/containers/${ID}/resolv.conf`, '/etc/resolv.conf'),
      '0::/',
      'web',
      [ID],
    ],
    ['podman', mount(`/overlay-containers/${ID}/userdata/hosts`, '/etc/hosts'), '0::/', 'web', [ID]],
    ['cgroup v1', '', `12:pids:/docker/${ID}\n1:name=systemd:/docker/${ID}`, 'web', [ID]],
    ['cgroup v2 of systemd', '', `0::/system.slice/docker-${ID}.scope`, 'web', [ID]],
    ['nothing but the host name', '', '0::/', ID.slice(0, 12), [ID.slice(0, 12)]],
    [
      'a host that sees the mounts of its containers',
      mount('/', `/var/lib/docker/containers/${OTHER}/mounts/shm`),
      '0::/system.slice/ssh.service',
      'web',
      [],
    ],
    ['a plain machine', '', '', 'web', []],
  ])('%s', (_, mountinfo, cgroup, name, ids) => {
    expect(containerIds(mountinfo, cgroup, name)).toEqual(ids)
  })
})

test('is ended with its own service in its own project, and with nothing else', () => {
  const own = {
    who: 'runner',
    id: ID,
    name: 'gw-1',
    project: 'gateway',
    service: 'agent',
    folder: '/srv/gateway',
  } as const
  const step = { kind: 'services', project: 'gateway', folder: '/elsewhere', services: ['agent'] } as const
  expect(isEnded(own, step)).toBe(true)
  expect(isEnded(own, { ...step, services: null })).toBe(true)
  expect(isEnded(own, { ...step, services: ['web'] })).toBe(false)
  expect(isEnded(own, { ...step, project: 'other' })).toBe(false)
  // Where compose does not tell the project's name, its folder does.
  expect(isEnded(own, { ...step, project: null })).toBe(false)
  expect(isEnded(own, { ...step, project: null, folder: '/srv/gateway' })).toBe(true)
  for (const [names, hit] of [
    [['gw-1'], true],
    [['web', ID.slice(0, 12)], true],
    [['gw-2', 'b2b2b2b2'], false],
    [['a'], false],
  ] as const)
    expect(isEnded(own, { kind: 'containers', names: [...names] }), String(names)).toBe(hit)
  expect(isEnded({ ...own, project: null, service: null }, { ...step, services: null })).toBe(false)
  expect(isEnded(own, { kind: 'engine' })).toBe(true)
})

describe('what a command ends', () => {
  const ends = (argv: string[], more: object = {}) =>
    stepEnds({ id: 's', uses: 'command', when: null, cwd: '/srv/gw', with: { argv, ...more } } as never).ends
  const words = (text: string) => text.split(' ')

  test.each([
    ['docker compose up -d --build agent', ['agent'], true],
    ['docker compose -f a.yml --profile x -p gw up --scale agent=2 -t 5', [], true],
    ['docker compose up -d --no-deps agent web', ['agent', 'web'], false],
    ['docker --log-level debug compose --project-directory /srv/gw restart -t 3 agent', ['agent'], false],
    ['docker compose down -v --rmi local', [], false],
    ['docker compose stop', [], false],
    ['docker compose kill -s TERM agent', ['agent'], false],
    ['docker compose rm -fs agent', ['agent'], false],
    ['/usr/bin/docker-compose up -d', [], true],
    ['podman compose up -d agent', ['agent'], true],
    ['podman-compose -f a.yml restart', [], false],
    ['nerdctl compose down', [], false],
    ['sudo -n docker compose up -d', [], true],
    ['env A=b docker compose up', [], true],
    ['sudo -u deploy docker compose up', [], true],
    ['sudo -nu deploy -gops A=b docker compose up', [], true],
    ['sudo --user deploy -- docker compose up', [], true],
    ['env -u X docker compose up', [], true],
  ])('%s', (text, services, dependencies) => {
    const [found] = ends(words(text))
    expect(found).toMatchObject({ kind: 'project', folder: '/srv/gw', services, dependencies })
    const { argv, cwd } = (found as Extract<typeof found, { kind: 'project' }>).config
    expect(argv.slice(-3)).toEqual(['config', '--format', 'json'])
    expect([cwd, argv.some(word => ['up', 'down', 'restart', 'kill'].includes(word))]).toEqual([
      '/srv/gw',
      false,
    ])
  })

  test.each([
    ['docker restart gw', { kind: 'containers', names: ['gw'] }],
    ['docker restart -t 5 gw web', { kind: 'containers', names: ['gw', 'web'] }],
    ['docker container stop --signal TERM gw', { kind: 'containers', names: ['gw'] }],
    ['docker rm -f gw', { kind: 'containers', names: ['gw'] }],
    ['docker kill gw', { kind: 'containers', names: ['gw'] }],
    ['podman restart gw', { kind: 'containers', names: ['gw'], engine: 'podman' }],
    ['podman --log-level debug container stop gw', { kind: 'containers', names: ['gw'], engine: 'podman' }],
    ['sudo nerdctl rm -f gw', { kind: 'containers', names: ['gw'], engine: 'nerdctl' }],
    ['systemctl restart hostlinkd', { kind: 'unit', unit: 'hostlinkd' }],
    ['sudo systemctl --no-block stop docker.service', { kind: 'unit', unit: 'docker' }],
    ['service docker restart', { kind: 'unit', unit: 'docker' }],
  ])('%s', (text, found) => {
    expect(ends(words(text))).toEqual([found])
  })

  test.each([
    ['docker compose build --pull agent'],
    ['docker compose pull'],
    ['docker compose ps'],
    ['docker compose logs agent'],
    ['docker compose --dry-run up -d'],
    ['docker compose exec agent restart'],
    ['docker build -t restart .'],
    ['docker -H tcp://other:2375 compose up -d'],
    ['docker --context other restart gw'],
    ['podman --connection other restart gw'],
    ['nerdctl --namespace k8s.io rm -f gw'],
    ['podman build -t restart .'],
    ['docker ps'],
    ['systemctl status docker'],
    ['systemctl restart nginx'],
    ['systemctl --user restart docker'],
    ['service nginx restart'],
    ['echo docker restart gw'],
    ['sudo -l'],
  ])('%s: nothing', text => {
    expect(ends(words(text))).toEqual([])
  })

  test('also on the way back, and not where the step is not taken', () => {
    expect(ends(['true'], { reactivate: ['docker', 'restart', 'gw'] })).toMatchObject([{ names: ['gw'] }])
    expect(ends(['true'], { undo: ['docker', 'stop', 'gw'] })).toMatchObject([{ names: ['gw'] }])
    expect(ends(['docker', 'restart', 'gw'], { reactivate: true })).toHaveLength(1)
    const never = {
      id: 's',
      uses: 'command',
      when: false,
      cwd: null,
      with: { argv: ['docker', 'stop', 'x'] },
    }
    expect(stepEnds(never as never)).toMatchObject({ ends: [], unclear: [] })
  })
})

test('a run through hostlinkd that would end it is refused before anything happens, and told what to type', async () => {
  const rig = hostopsRig()
  const daemon = await startDaemonRig()
  try {
    const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
    const steps = [
      { id: 'before', run: ['touch', rig.path('touched')], undo: ['true'] },
      { id: 'again', run: ['systemctl', 'restart', 'hostlinkd'], effect: 'disrupt' },
    ]
    const file = rig.playbook('own', steps)
    const ended = await rig.run(['run', file, '--target', 'hostlink'], { env })
    expect(ended).toMatchObject({
      code: 3,
      report: { outcome: 'refused', errorCode: 'self-upgrade', changed: false },
    })
    expect(ended.report.error).toContain('again would end the hostlinkd that this run works through')
    expect(ended.stderr).toContain(`hostops run ${file} --target hostlink --on-host --detach`)
    expect(rig.exists('touched')).toBe(false)
  } finally {
    await daemon.stop()
    await rig.remove()
  }
})

describe('through a daemon that lives in a container', () => {
  const plan = (with_: object, uses = 'compose.up') =>
    ({ steps: [{ id: 'up', uses, when: null, with: with_ }] }) as unknown as Plan
  const refusal = async (...given: Parameters<typeof selfUpgrade>) => (await selfUpgrade(...given)).failure
  const config = { name: 'tools', services: { web: { depends_on: { link: {} } }, link: {}, other: {} } }

  /** A target whose daemon is service `link` of project `tools`; counts what it is asked. */
  function target(answers: { [program: string]: string } = {}) {
    const asked: string[] = []
    const transport: Transport = {
      name: 'hostlink',
      platform: 'posix',
      startsOnce: true,
      async exec({ argv }) {
        asked.push(argv.join(' '))
        const command = argv.includes('compose') ? 'compose' : argv[1]!
        const program = argv[0] === 'docker' ? command : argv[0]!
        const labels = { 'com.docker.compose.project': 'tools', 'com.docker.compose.service': 'link' }
        const said = {
          cat: `${mount(`/var/lib/docker/containers/${ID}/hosts`, '/etc/hosts')}\n0::/\n${ID.slice(0, 12)}\n`,
          inspect: `${JSON.stringify({ id: ID, name: '/tools-link-1', labels })}\n`,
          compose: JSON.stringify(config),
          ...answers,
        }[program]
        const kept = {
          stderr: Buffer.alloc(0),
          stdoutTruncated: false,
          stderrTruncated: false,
          durationMs: 1,
        }
        return { kind: 'exited', code: 0, signal: null, stdout: Buffer.from(said ?? ''), ...kept }
      },
      close: async () => {},
    }
    return { transport, asked }
  }
  const failure = (with_: object, answers?: { [program: string]: string }) =>
    refusal(plan({ dir: '/srv/tools', ...with_ }), target(answers).transport, 'hostops run x')

  test('a plan that replaces it is refused, through a dependency as well', async () => {
    const PLACE = 'service link of compose project tools'
    const refusal = { code: 'self-upgrade', who: 'daemon', place: PLACE, step: 'up' }
    expect(await failure({ services: [] })).toMatchObject(refusal)
    expect(await failure({ services: ['link'] })).toMatchObject(refusal)
    expect(await failure({ services: ['web'] })).toMatchObject(refusal)
    const rollout = (with_: object) => plan({ dir: '/srv/tools', ...with_ }, 'compose.rollout')
    const reaches = rollout({ services: ['web'] })
    const switches = rollout({ services: ['other'], switch: ['docker', 'restart', 'tools-link-1'] })
    for (const each of [reaches, switches])
      expect((await selfUpgrade(each, target().transport, 'x')).failure).toMatchObject(refusal)
    expect((await selfUpgrade(rollout({ services: ['other'] }), target().transport, 'x')).failure).toBe(null)
  })

  test('so is one that stops it by hand, in the stack, alone, or with its engine', async () => {
    const by = (argv: string[]) => refusal(plan({ argv }, 'command'), target().transport, 'hostops run x')
    const hits = [
      ['docker', 'compose', 'restart', 'link'],
      ['docker', 'compose', '-p', 'tools', 'up', '-d', 'web'],
      ['docker', 'restart', 'tools-link-1'],
      ['docker', 'stop', ID.slice(0, 12)],
      ['systemctl', 'restart', 'docker'],
    ]
    for (const argv of hits)
      expect(await by(argv), argv.join(' ')).toMatchObject({
        code: 'self-upgrade',
        who: 'daemon',
        step: 'up',
      })
    const others = [
      ['docker', 'compose', 'restart', 'web'],
      ['docker', 'restart', 'tools-web-1'],
    ]
    for (const argv of others) expect(await by(argv), argv.join(' ')).toBe(null)
  })

  test('of another engine, which knows the container, as well', async () => {
    const labels = { 'com.docker.compose.project': 'tools', 'com.docker.compose.service': 'link' }
    const podman = `${JSON.stringify({ id: ID, name: '/tools-link-1', labels })}\n`
    const by = (argv: string[], answers: { [program: string]: string }) =>
      refusal(plan({ argv }, 'command'), target(answers).transport, 'hostops run x')
    const restart = ['podman', 'restart', 'tools-link-1']
    expect(await by(restart, { inspect: '', podman })).toMatchObject({ code: 'self-upgrade', who: 'daemon' })
    expect(await by(restart, { inspect: '', podman: '' })).toBe(null)
    expect(await by(['docker', 'restart', 'tools-link-1'], { inspect: '', podman })).toBe(null)
  })

  test('everything else runs', async () => {
    expect(await failure({ services: ['other'] })).toBe(null)
    expect(await failure({ services: [] }, { compose: JSON.stringify({ ...config, name: 'x' }) })).toBe(null)
    expect(await failure({ services: [] }, { inspect: '' })).toBe(null)
    expect(await failure({ services: [] }, { cat: '0::/system.slice/ssh.service\nweb\n' })).toBe(null)
  })

  test('what cannot be known is a warning, with the command and the way out', async () => {
    const given = { steps: [{ id: 'go', uses: 'script', when: null, with: { script: './deploy.sh "$X"' } }] }
    const seen = (answers?: { [program: string]: string }) =>
      selfUpgrade(given as unknown as Plan, target(answers).transport, 'hostops run x')
    expect(await seen()).toEqual({
      failure: null,
      warnings: [
        {
          id: 'go',
          text: 'could end the container that the daemon of the target lives in (service link of compose project tools): what "./deploy.sh ..." does is known only when it runs; if it does that, let hostlinkd run on the host itself',
        },
      ],
    })
    // A target whose daemon lives in no container has nothing to be warned of.
    expect(await seen({ inspect: '' })).toEqual({ failure: null, warnings: [] })
  })

  test('on the host there is no command to type instead', async () => {
    const here = plan({ argv: ['docker', 'restart', 'tools-link-1'] }, 'command')
    expect((await selfUpgrade(here, target().transport, null)).failure).toEqual({
      code: 'self-upgrade',
      who: 'host',
      step: 'up',
      place: 'service link of compose project tools',
    })
  })

  test('a plan without compose.up asks the target nothing', async () => {
    const { transport, asked } = target()
    expect(await refusal(plan({ dir: '/srv/tools' }, 'compose.ps'), transport, '')).toBe(null)
    expect(asked).toEqual([])
  })
})
