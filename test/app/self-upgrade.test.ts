/** What a process can know of the container that it is in, and what of it a plan replaces. */
import { describe, expect, test } from 'vitest'
import { containerIds } from '../../src/app/self-upgrade/own-container.ts'
import { isReplaced, selfUpgrade, stopsOf } from '../../src/app/self-upgrade/preflight.ts'
import type { Plan } from '../../src/engine/plan.ts'
import type { Transport } from '../../src/transport/transport.ts'

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

test('is replaced with its own service in its own project, and with nothing else', () => {
  const own = {
    who: 'runner',
    id: ID,
    name: 'gw-1',
    project: 'gateway',
    service: 'agent',
    folder: '/srv/gateway',
  } as const
  const replaced = { project: 'gateway', folder: '/elsewhere', services: ['agent'] }
  expect(isReplaced(own, replaced)).toBe(true)
  expect(isReplaced(own, { ...replaced, services: null })).toBe(true)
  expect(isReplaced(own, { ...replaced, services: ['web'] })).toBe(false)
  expect(isReplaced(own, { ...replaced, project: 'other' })).toBe(false)
  // Where compose does not tell the project's name, its folder does.
  expect(isReplaced(own, { ...replaced, project: null })).toBe(false)
  expect(isReplaced(own, { ...replaced, project: null, folder: '/srv/gateway' })).toBe(true)
  expect(isReplaced({ ...own, project: null, service: null }, { ...replaced, services: null })).toBe(false)
})

describe('what a step may stop', () => {
  const kinds = (uses: string, given: object, when: unknown = null) =>
    stopsOf({ id: 's', uses, when, with: given } as never).map(({ kind }) => kind)

  test.each([
    ['a command', 'command', { argv: ['ls'] }, ['anything']],
    ['a script', 'script', { script: './deploy.sh' }, ['anything']],
    ['a command that only reads', 'command', { argv: ['ls'], effect: 'read' }, []],
    ['one whose author knows better', 'command', { argv: ['x'], endsRunner: 'never' }, []],
    ['one whose effect is not known yet', 'command', { argv: ['x'], effect: { $expr: 'x' } }, ['anything']],
    ['a program in a container', 'compose.exec', { dir: '/s', service: 'a', argv: ['x'] }, []],
    [
      'the way back from it, which runs on the target',
      'compose.exec',
      { dir: '/s', service: 'a', argv: ['x'], undo: ['y'] },
      ['anything'],
    ],
    ['services', 'compose.up', { dir: '/s', services: ['a'] }, ['services']],
    ['services beside each other', 'compose.rollout', { dir: '/s', services: ['a'] }, ['services']],
    ['services that are known later', 'compose.up', { dir: { $expr: 'x' } }, ['unknown']],
    ['nothing', 'compose.build', { dir: '/s' }, []],
  ])('%s', (_, uses, given, found) => {
    expect(kinds(uses, given)).toEqual(found)
    expect(kinds(uses, given, false)).toEqual([])
  })
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
    expect((await selfUpgrade(reaches, target().transport, 'x')).failure).toMatchObject(refusal)
    expect((await selfUpgrade(rollout({ services: ['other'] }), target().transport, 'x')).failure).toBe(null)
  })

  test('everything else runs', async () => {
    expect(await failure({ services: ['other'] })).toBe(null)
    expect(await failure({ services: [] }, { compose: JSON.stringify({ ...config, name: 'x' }) })).toBe(null)
    expect(await failure({ services: [] }, { inspect: '' })).toBe(null)
    expect(await failure({ services: [] }, { cat: '0::/system.slice/ssh.service\nweb\n' })).toBe(null)
  })

  test('what a command does is a warning, with the way out', async () => {
    const given = { steps: [{ id: 'go', uses: 'script', when: null, with: { script: './deploy.sh "$X"' } }] }
    const seen = (answers?: { [program: string]: string }) =>
      selfUpgrade(given as unknown as Plan, target(answers).transport, 'hostops run x')
    expect(await seen()).toEqual({
      failure: null,
      warnings: [
        {
          id: 'go',
          text: 'may end the container that the daemon of the target lives in (service link of compose project tools): if it does, let hostlinkd run on the host itself',
        },
      ],
    })
    // A target whose daemon lives in no container has nothing to be warned of.
    expect(await seen({ inspect: '' })).toEqual({ failure: null, warnings: [] })
  })

  test('on the host there is no command to type instead', async () => {
    const here = plan({ dir: '/srv/tools', services: ['link'] })
    expect((await selfUpgrade(here, target().transport, null)).failure).toEqual({
      ...{ code: 'self-upgrade', who: 'host', step: 'up', may: false },
      place: 'service link of compose project tools',
    })
  })

  test('a plan without compose.up asks the target nothing', async () => {
    const { transport, asked } = target()
    expect(await refusal(plan({ dir: '/srv/tools' }, 'compose.ps'), transport, '')).toBe(null)
    expect(asked).toEqual([])
  })
})
