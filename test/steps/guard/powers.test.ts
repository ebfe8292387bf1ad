/** What a rendered configuration may do beyond its own containers. */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addedPowers } from '../../../src/steps/compose/guard/added.ts'
import { type ComposeConfig, type HostPath, writableIn } from '../../../src/steps/compose/guard/host-paths.ts'
import { powersOf } from '../../../src/steps/compose/guard/powers.ts'

const DIR = '/srv/app'
const place = (path: string): HostPath => ({
  path,
  within: path.startsWith(`${DIR}/`) || path === DIR,
  own: path.startsWith(`${DIR}/`),
  ...(path === `${DIR}/link` ? { link: 'link@0123456789ab' } : {}),
})
const BASE = { image: 'registry.example/gw:1' }
const stack = (gw: object, more: object = {}): ComposeConfig => ({
  name: 'app',
  services: { gw: { ...BASE, ...gw } },
  ...more,
})
const judged = (config: ComposeConfig) => ({ config, powers: powersOf(config, place) })
const added = (gw: object, more?: object) => addedPowers(judged(stack(gw, more)), judged(stack({})))
const words = (...given: Parameters<typeof added>) => added(...given).map(each => each.words)
const bind = (source: string, more: object = {}) => ({
  volumes: [{ type: 'bind', source, target: '/x', bind: { create_host_path: true }, ...more }],
})

describe('a service', () => {
  test.each([
    [bind('/'), 'gw would mount / of the host'],
    [bind('/srv/app'), 'gw would mount /srv/app of the host'],
    [bind('/etc', { read_only: true }), 'gw would mount /etc of the host, read-only'],
    [bind('/run/docker.sock'), 'gw would mount the Docker socket /run/docker.sock'],
    [bind('/srv/app/link'), 'gw would follow the link link of the tree'],
    [bind('/srv/app/d', { bind: { propagation: 'rshared' } }), 'gw would set volumes.propagation: rshared'],
    [bind('/srv/app/d', { bind: { selinux: 'z' } }), 'gw would set volumes.selinux: z'],
    [{ privileged: true }, 'gw would run privileged'],
    [{ cap_add: ['SYS_ADMIN'] }, 'gw would have the capability SYS_ADMIN'],
    [{ devices: ['/dev/mem:/dev/mem:rwm'] }, 'gw would use the device /dev/mem of the host'],
    [
      { devices: [{ source: '/dev/kvm', target: '/dev/kvm' }] },
      'gw would use the device /dev/kvm of the host',
    ],
    [{ devices: ['/dev/kvm:/dev/kvm:r'] }, 'gw would use the device /dev/kvm of the host, read-only'],
    [{ pid: 'host' }, 'gw would use the pid namespace "host"'],
    [{ ipc: 'host' }, 'gw would use the ipc namespace "host"'],
    [{ userns_mode: 'host' }, 'gw would use the userns_mode namespace "host"'],
    [{ cgroup: 'host' }, 'gw would use the cgroup namespace "host"'],
    [{ network_mode: 'host' }, 'gw would use the network "host"'],
    [{ network_mode: 'bridge' }, 'gw would use the network "bridge"'],
    [{ network_mode: 'default' }, 'gw would use the network "default"'],
    [{ network_mode: 'container:other' }, 'gw would use the network "container:other"'],
    [{ security_opt: ['seccomp:unconfined'] }, 'gw would set security_opt: seccomp:unconfined'],
    [{ security_opt: ['no-new-privileges:false'] }, 'gw would set security_opt: no-new-privileges:false'],
    [{ volumes_from: ['container:other'] }, 'gw would set volumes_from: container:other'],
    [{ runtime: 'other' }, 'gw would set runtime: other'],
    [{ gpus: [{ count: -1 }] }, 'gw would set gpus'],
    [{ use_api_socket: true }, 'gw would set use_api_socket: true'],
    [{ provider: { type: 'program' } }, 'gw would set provider'],
    [{ device_cgroup_rules: ['c 1:1 rwm'] }, 'gw would set device_cgroup_rules: c 1:1 rwm'],
    [{ post_start: [{ command: ['x'], privileged: true }] }, 'gw would set post_start'],
    [{ cgroup_parent: '/' }, 'gw would set cgroup_parent: /'],
    [{ group_add: ['998'] }, 'gw would set group_add: 998'],
    [{ sysctls: { 'net.ipv4.ip_forward': '1' } }, 'gw would set sysctls'],
    [{ labels: { 'traefik.enable': 'true' } }, 'gw would have the label traefik.enable'],
    [{ logging: { driver: 'syslog' } }, 'gw would set logging'],
    [{ env_file: [{ path: '/etc/shadow' }] }, 'gw would read /etc/shadow of the host'],
    [{ image: 'other.example/gw:1' }, 'gw would use images of other.example'],
    [{ image: 'gw' }, 'gw would use images of docker.io'],
    [
      { ports: [{ target: 80, published: '8080', protocol: 'tcp', mode: 'ingress' }] },
      'gw would publish port 8080',
    ],
    [
      { ports: [{ target: 80, published: '53', host_ip: '::1', protocol: 'udp' }] },
      'gw would publish port [::1]:53/udp',
    ],
    [{ ports: [{ target: 7, protocol: 'tcp' }] }, "gw would publish a port of the engine's choice for 7/tcp"],
    [{ image: null, build: { context: '/etc' } }, 'gw would read /etc of the host'],
    [
      { image: null, build: { context: 'https://git.example/x.git' } },
      'gw would build from https://git.example/x.git',
    ],
    [
      { image: null, build: { context: DIR, dockerfile: '/etc/passwd' } },
      'gw would read /etc/passwd of the host',
    ],
    [
      { image: null, build: { context: DIR, additional_contexts: { a: '/root' } } },
      'gw would read /root of the host',
    ],
    [{ image: null, build: { context: DIR, ssh: ['default'] } }, 'gw would set build.ssh: default'],
    [{ image: null, build: { context: DIR, network: 'host' } }, 'gw would set build.network: host'],
    [{ image: null, build: { context: DIR, privileged: true } }, 'gw would set build.privileged: true'],
    [{ image: null, build: { context: DIR, entitlements: ['x'] } }, 'gw would set build.entitlements: x'],
    [{ image: null, build: { context: DIR, tags: ['postgres:16'] } }, 'gw would set build.tags: postgres:16'],
    [
      { deploy: { resources: { reservations: { devices: [{ capabilities: ['gpu'] }] } } } },
      'gw would set deploy.resources.reservations.devices',
    ],
  ])('with %j: %s', (gw, expected) => {
    expect(words(gw)).toEqual([expected])
  })

  test('may change what stays inside', () => {
    const gw = {
      image: null,
      command: ['a'],
      environment: { A: 'b' },
      healthcheck: { test: ['CMD', 'true'] },
      restart: 'always',
      user: '1000',
      build: { context: DIR, dockerfile: 'sub/Dockerfile', args: { A: '1' } },
      volumes: [
        { type: 'bind', source: `${DIR}/data`, target: '/d', bind: { create_host_path: true } },
        { type: 'volume', source: 'cache', target: '/c', volume: {} },
        { type: 'tmpfs', target: '/t' },
      ],
      deploy: { replicas: 2, resources: { limits: { cpus: 0.5, memory: '1' } }, placement: {} },
      'x-note': 1,
      security_opt: ['no-new-privileges:true'],
      networks: { default: null },
    }
    const more = {
      volumes: { cache: { name: 'app_cache' } },
      networks: { default: { name: 'app_default', ipam: {} } },
      configs: { c: { name: 'app_c', content: 'x' } },
      secrets: { s: { name: 'app_s', file: `${DIR}/s.txt` } },
    }
    expect(words(gw, more)).toEqual([])
    expect(words({ image: 'registry.example/other:2' })).toEqual([])
  })
})

describe('the stack', () => {
  test.each([
    [
      { secrets: { s: { name: 'app_s', file: '/etc/shadow' } } },
      'secrets/s would read /etc/shadow of the host',
    ],
    [
      { configs: { c: { name: 'app_c', file: '/etc/shadow' } } },
      'configs/c would read /etc/shadow of the host',
    ],
    [
      { secrets: { s: { name: 'app_s', environment: 'TOKEN' } } },
      'secrets/s would be the variable TOKEN of the host',
    ],
    [
      { volumes: { v: { name: 'other_data' } } },
      'volumes/v would be one that the stack does not own: other_data',
    ],
    [
      { volumes: { v: { name: 'app_v', driver_opts: { o: 'bind', device: '/' } } } },
      'volumes/v would set driver_opts',
    ],
    [{ networks: { n: { name: 'app_n', driver: 'macvlan' } } }, 'networks/n would set driver: macvlan'],
    [{ models: { m: {} } }, 'the stack would set models'],
    [{ future: true }, 'the stack would set future: true'],
  ])('with %j: %s', (more, expected) => {
    expect(words({}, more)).toEqual([expected])
  })
})

test('what a container may write is what is bound, by a volume too', () => {
  const volumes = { volumes: { v: { driver_opts: { o: 'bind', device: '/srv/app/data' } } } }
  expect(writableIn(stack(bind('/srv/app/more'), volumes))).toEqual(['/srv/app/more', '/srv/app/data'])
})

describe('against what runs', () => {
  const over = (before: object, now: object, more?: object) =>
    addedPowers(judged(stack(now, more)), judged(stack(before, more))).map(each => each.key)

  test('the same power is not added, and more of it is', () => {
    expect(over(bind('/data'), bind('/data'))).toEqual([])
    expect(over(bind('/data'), bind('/data', { read_only: true }))).toEqual([])
    expect(over(bind('/data', { read_only: true }), bind('/data'))).toEqual(['gw:bind=/data'])
    expect(over(bind('/data'), bind('/data/a b,c'))).toEqual(['gw:bind=/data/a%20b%2Cc'])
    expect(over({ sysctls: { a: '1' } }, { sysctls: { a: '2' } })).toHaveLength(1)
    expect(over({ sysctls: { a: '1', b: '2' } }, { sysctls: { b: '2', a: '1' } })).toEqual([])
  })
  test('a device that may be written may be read', () => {
    const device = (permissions: string) => ({
      devices: [{ source: '/dev/x', target: '/dev/x', permissions }],
    })
    expect(over(device('rwm'), device('r'))).toEqual([])
    expect(over(device('r'), device('rwm'))).toEqual(['gw:devices=/dev/x'])
  })
  test('a build under a name that others may use is a power, its tag is none', () => {
    const built = (image: string) => ({ image, build: { context: DIR } })
    expect(over({}, built('postgres:16'))).toEqual(['gw:registry=docker.io', 'gw:build.image=postgres'])
    expect(over(built('a.example:5000/gw:1'), built('a.example:5000/gw:2'))).toEqual([])
    expect(over(built('other:1'), built('app-gw:1'))).toEqual([])
  })
  test('what held a service back must stay', () => {
    const held = {
      cap_drop: ['NET_RAW'],
      read_only: true,
      security_opt: ['no-new-privileges:true'],
      user: 'node',
      network_mode: 'none',
    }
    expect(over(held, {})).toEqual([
      'gw:without-cap_drop-NET_RAW',
      'gw:without-no-new-privileges',
      'gw:without-read_only',
      'gw:without-user',
      'gw:without-internal',
    ])
    expect(over(held, { ...held, cap_drop: ['ALL'] })).toEqual([])
    expect(over({ cap_drop: ['NET_RAW', 'CHOWN'] }, { cap_drop: ['cap_net_raw', 'chown'] })).toEqual([])
    expect(over({ cap_drop: ['ALL'] }, { cap_drop: ['all'] })).toEqual([])
    expect(over({ cap_drop: ['all'] }, { cap_drop: ['chown'] })).toEqual(['gw:without-cap_drop-ALL'])
  })
  test.each([
    ['1000', '00', ['gw:without-user', 'gw:without-user-number']],
    ['1000', '+0', ['gw:without-user', 'gw:without-user-number']],
    ['1000', 'node', ['gw:without-user-number']],
    ['1000:1000', '1001:999', ['gw:without-group-1000']],
    ['1000:1000', '1001:1000', []],
    ['node', '1000', []],
  ])('the user %j is another one than %j', (before, now, expected) => {
    expect(over({ user: before }, { user: now })).toEqual(expected)
  })
  test('a network that leads nowhere must not become one that leads further', () => {
    const own = (internal: boolean) =>
      judged(stack({ networks: { n: null } }, { networks: { n: { name: 'app_n', internal } } }))
    expect(addedPowers(own(false), own(true)).map(each => each.key)).toEqual(['gw:without-internal'])
    expect(addedPowers(own(true), own(true))).toEqual([])
  })
  test('what one service may have of others is no power of the next one', () => {
    const more = {
      networks: { n: { name: 'other', external: true }, default: { name: 'app_default' } },
      secrets: { s: { name: 'app_s', file: '/etc/shadow' }, own: { name: 'app_own', file: `${DIR}/own` } },
    }
    const uses = { networks: { n: null, default: null }, secrets: [{ source: 's' }, { source: 'own' }] }
    expect(over({}, uses, more)).toEqual(['gw:networks=n', 'gw:secrets=s'])
    expect(over(uses, uses, more)).toEqual([])
  })
  test("another service's volume is a power, a new volume is none", () => {
    const mount = { volumes: [{ type: 'volume', source: 'data', target: '/d', volume: {} }] }
    const volumes = { volumes: { data: { name: 'app_data' } } }
    expect(over({}, mount, volumes)).toEqual(['gw:volume=data'])
    expect(addedPowers(judged(stack(mount, volumes)), judged(stack({})))).toEqual([])
  })
  test('nothing runs: everything is new', () => {
    expect(addedPowers(judged(stack({})), null).map(each => each.key)).toEqual([
      'gw:registry=registry.example',
    ])
  })
})

test('a container can write the folders that it has mounted, but for read-only ones', () => {
  const binds = [bind('/a/b/../c'), bind('/ro', { read_only: true }), bind('/a/c')]
  const services = Object.fromEntries(binds.map((gw, at) => [`s${at}`, gw]))
  const volumes = { v: { driver_opts: { type: 'none', o: 'bind', device: '/d' } }, w: null }
  expect(writableIn({ services, volumes })).toEqual(['/a/c', '/a/c', '/d'])
})

describe('for any configuration', () => {
  const key = fc.stringMatching(/^[a-z][a-z_]{3,12}$/)
  const value = fc.oneof(
    fc.boolean(),
    fc.string(),
    fc.integer(),
    fc.array(fc.string()),
    fc.dictionary(key, fc.string()),
  )
  const known = ['image', 'command', 'environment', 'user', 'restart']
  test('a field that nobody knows is a power', () => {
    fc.assert(
      fc.property(key, value, (field, given) => {
        fc.pre(!known.includes(field) && added({}).length === 0)
        expect(added({ [`q${field}`]: given }).length).toBeGreaterThan(0)
        expect(added({}, { [`q${field}`]: given }).length).toBeGreaterThan(0)
        expect(added({ build: { context: DIR, [`q${field}`]: given } }).length).toBeGreaterThan(0)
        expect(added({}, { volumes: { v: { name: 'app_v', [`q${field}`]: given } } }).length).toBeGreaterThan(
          0,
        )
        expect(added(bind('/srv/app/x', { [`q${field}`]: given })).length).toBeGreaterThan(0)
      }),
    )
  })
  test('a field more takes no power away', () => {
    const fields = fc.dictionary(
      fc.constantFrom(...known, 'privileged', 'pid', 'ports', 'labels', 'quux'),
      value,
    )
    fc.assert(
      fc.property(fields, key, value, (gw, field, given) => {
        const before = powersOf(stack(gw), place).map(each => each.key)
        const now = powersOf(stack({ ...gw, [`q${field}`]: given }), place).map(each => each.key)
        expect(now).toEqual(expect.arrayContaining(before))
      }),
    )
  })
  test('keys and words are one line without spaces or commas in the key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (name, text) => {
        const config = {
          name: 'app',
          services: { [name]: { pid: text, ports: text, volumes: text, image: text } },
        }
        for (const each of powersOf(config, place)) {
          expect(each.key).toMatch(/^[\x21-\x2b\x2d-\x7e]+$/)
          expect(each.words).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028-\u202e]/)
        }
      }),
    )
  })
})
