/** What a process can know of the container that it is in, and what of it a plan replaces. */
import { describe, expect, test } from 'vitest'
import { containerIds, isReplaced, selfUpgrade } from '../../src/cli/self-upgrade.ts'
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

test('is replaced by its own service in its own project, and by nothing else', () => {
  const own = { who: 'runner', project: 'gateway', service: 'agent', folder: '/srv/gateway' } as const
  const step = { step: 'up', project: 'gateway', folder: '/elsewhere', services: ['agent'] }
  expect(isReplaced(own, step)).toBe(true)
  expect(isReplaced(own, { ...step, services: null })).toBe(true)
  expect(isReplaced(own, { ...step, services: ['web'] })).toBe(false)
  expect(isReplaced(own, { ...step, project: 'other' })).toBe(false)
  // Where compose does not tell the project's name, its folder does.
  expect(isReplaced(own, { ...step, project: null })).toBe(false)
  expect(isReplaced(own, { ...step, project: null, folder: '/srv/gateway' })).toBe(true)
})

describe('through a daemon that lives in a container', () => {
  const plan = (with_: object, uses = 'compose.up') =>
    ({ steps: [{ id: 'up', uses, when: null, with: with_ }] }) as unknown as Plan
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
        const program = argv[0] === 'docker' ? argv[1]! : argv[0]!
        const labels = { 'com.docker.compose.project': 'tools', 'com.docker.compose.service': 'link' }
        const said = {
          cat: `${mount(`/var/lib/docker/containers/${ID}/hosts`, '/etc/hosts')}\n0::/\n${ID.slice(0, 12)}\n`,
          inspect: `${JSON.stringify({ id: ID, labels })}\n`,
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
    selfUpgrade(plan({ dir: '/srv/tools', ...with_ }), target(answers).transport, 'hostops run x')

  test('a plan that replaces it is refused, through a dependency as well', async () => {
    const refusal = { code: 'self-upgrade', who: 'daemon', project: 'tools', service: 'link', step: 'up' }
    expect(await failure({ services: [] })).toMatchObject(refusal)
    expect(await failure({ services: ['link'] })).toMatchObject(refusal)
    expect(await failure({ services: ['web'] })).toMatchObject(refusal)
  })

  test('everything else runs', async () => {
    expect(await failure({ services: ['other'] })).toBe(null)
    expect(await failure({ services: [] }, { compose: JSON.stringify({ ...config, name: 'x' }) })).toBe(null)
    expect(await failure({ services: [] }, { inspect: '' })).toBe(null)
    expect(await failure({ services: [] }, { cat: '0::/system.slice/ssh.service\nweb\n' })).toBe(null)
  })

  test('a plan without compose.up asks the target nothing', async () => {
    const { transport, asked } = target()
    expect(await selfUpgrade(plan({ dir: '/srv/tools' }, 'compose.ps'), transport, '')).toBe(null)
    expect(asked).toEqual([])
  })
})
