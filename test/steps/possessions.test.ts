/** What a replaced container would lose: what one has is held against what the configuration gives to the next. */
import { describe, expect, test } from 'vitest'
import {
  type Held,
  heldOf,
  lostFrom,
  possessionsIn,
  possessionsOf,
} from '../../src/steps/compose/possessions.ts'

const losses = (held: Partial<Held>, service: object, rest: object = {}, imageEnv: string[] = []) =>
  lostFrom(
    possessionsOf(held as Held, imageEnv),
    possessionsIn({ services: { app: service }, ...rest }, 'app')!,
  )

/** `127.0.0.1:80`: the address and the port of the host, as a container has them. */
const bound = (...all: string[]) => ({
  ports: {
    '80/tcp': all.map(each => ({
      HostIp: each.slice(0, each.lastIndexOf(':')),
      HostPort: each.slice(each.lastIndexOf(':') + 1),
    })),
  },
})
/** The same, as Compose renders a configuration. */
const rendered = (...all: string[]) => ({
  ports: all.map(each => ({
    mode: 'ingress',
    target: 80,
    protocol: 'tcp',
    host_ip: each.slice(0, each.lastIndexOf(':')) || undefined,
    published: each.slice(each.lastIndexOf(':') + 1) || undefined,
  })),
})

describe('a published port', () => {
  test.each<[string, string[], string[], string[]]>([
    ['stays', [':80'], [':80'], []],
    ['is gone', [':80'], [], ['port *:80 to 80/tcp']],
    ['has another number', [':80'], [':81'], ['port *:80 to 80/tcp']],
    ['is on this machine only', [':80'], ['127.0.0.1:80'], ['port *:80 to 80/tcp']],
    ['of IPv4 is on this machine only', ['0.0.0.0:80'], ['127.0.0.1:80'], ['port 0.0.0.0:80 to 80/tcp']],
    ['is on another address', ['10.0.0.1:80'], ['10.0.0.2:80'], ['port 10.0.0.1:80 to 80/tcp']],
    ['is on some addresses', ['0.0.0.0:80'], ['10.0.0.1:80', '10.0.0.2:80'], ['port 0.0.0.0:80 to 80/tcp']],
    [
      'loses one of its addresses',
      ['10.0.0.1:80', '10.0.0.2:80'],
      ['10.0.0.1:80'],
      ['port 10.0.0.2:80 to 80/tcp'],
    ],
    ['is on IPv4 only', [':80'], ['0.0.0.0:80'], ['port *:80 to 80/tcp']],
    ['of IPv6 is on IPv4 only', [':::80'], ['0.0.0.0:80'], ['port [::]:80 to 80/tcp']],
    ['is on every address of both kinds, spelled out', [':80'], ['0.0.0.0:80', ':::80'], []],
    ['is wider', ['127.0.0.1:80'], [':80'], []],
    ['is wider, within IPv4', ['127.0.0.1:80'], ['0.0.0.0:80'], []],
    ['is wider, within IPv6', ['::1:80'], [':::80'], []],
    ['of IPv4 is on both kinds', ['0.0.0.0:80'], [':80'], []],
    ['of IPv6 in brackets stays', ['::1:80'], ['[::1]:80'], []],
    ['that the engine chose stays', [':'], [':'], []],
    ['that the engine chose, as 0, stays', [':0'], [':'], []],
    ['that the engine chose is on one address', [':'], ['127.0.0.1:'], ['port a free port to 80/tcp']],
    [
      'that the engine chose of one address is gone',
      ['10.0.0.1:'],
      [],
      ['port a free port of 10.0.0.1 to 80/tcp'],
    ],
  ])('%s', (_what, had, has, expected) => expect(losses(bound(...had), rendered(...has))).toEqual(expected))

  test('of another protocol is another one', () => {
    const udp = { ports: [{ target: 80, published: '80', protocol: 'udp' }] }
    expect(losses(bound(':80'), udp)).toEqual(['port *:80 to 80/tcp'])
  })
})

describe('a mount', () => {
  const bind = (Source: string, Destination: string) => ({ Type: 'bind', Source, Destination })
  const volume = (Name: string, Destination: string) => ({ Type: 'volume', Name, Destination })
  test.each<[string, Partial<Held>, object, string[]]>([
    [
      'stays',
      { mounts: [bind('/srv', '/data')] },
      { volumes: [{ type: 'bind', source: '/srv/', target: '/data/' }] },
      [],
    ],
    ['is gone', { mounts: [bind('/srv', '/data')] }, {}, ['mount /data from /srv']],
    [
      'has another source',
      { mounts: [bind('/srv', '/data')] },
      { volumes: [{ type: 'bind', source: '/other', target: '/data' }] },
      ['mount /data from /srv'],
    ],
    [
      'is spelled by a desktop engine in its own way',
      { mounts: [bind('/host_mnt/srv', '/data')], binds: ['/srv:/data:rw'] },
      { volumes: [{ type: 'bind', source: '/srv', target: '/data' }] },
      [],
    ],
    [
      'of a volume, named by the project',
      { mounts: [volume('p_data', '/data')] },
      { volumes: [{ type: 'volume', source: 'data', target: '/data' }] },
      [],
    ],
    [
      'of a volume that the engine has made for the image',
      { mounts: [volume('a'.repeat(64), '/data')] },
      {},
      [],
    ],
    ['of a secret', { mounts: [bind('/srv/key', '/run/secrets/key')] }, { secrets: [{ source: 'key' }] }, []],
    ['of a secret that is gone', { mounts: [bind('/srv/key', '/run/secrets/key')] }, {}, ['secret key']],
    [
      'of a config',
      { mounts: [bind('/srv/app.conf', '/app.conf')] },
      { configs: [{ source: 'conf', target: '/app.conf' }] },
      [],
    ],
    ['in memory is nobody’s', { mounts: [{ Type: 'tmpfs', Destination: '/tmp' }] }, {}, []],
  ])('%s', (_what, held, service, expected) => {
    const rest = {
      volumes: { data: { name: 'p_data' } },
      secrets: { key: { file: '/srv/key' } },
      configs: { conf: { file: '/srv/app.conf' } },
    }
    expect(losses(held, service, rest)).toEqual(expected)
  })
})

test('networks by the name that the engine knows, and none of its own', () => {
  const rest = { networks: { default: { name: 'p_default' } } }
  const held = { networks: { p_default: {}, bridge: {}, shared: {} } }
  expect(losses(held, { networks: { default: null } }, rest)).toEqual(['network shared'])
})

test('names of variables, but for those of the image; a value is kept nowhere', () => {
  const held = heldOf({ env: ['PATH=/bin', 'TOKEN=secret', 'KEPT=1'] })!
  expect(JSON.stringify(held)).not.toContain('secret')
  expect(losses(held, { environment: { KEPT: '2' } }, {}, ['PATH=/bin'])).toEqual(['environment TOKEN'])
})

test('a service that the configuration does not have is not replaced', () =>
  expect(possessionsIn({ services: {} }, 'app')).toBe(null))
