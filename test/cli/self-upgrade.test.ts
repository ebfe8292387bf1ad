/** What a process can know of the container that it is in, and what of it a plan replaces. */
import { describe, expect, test } from 'vitest'
import { containerIds, isReplaced } from '../../src/cli/self-upgrade.ts'

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
