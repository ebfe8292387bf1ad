/** Containers that were made from another configuration than the files give: told apart, and made again from what they have. */
import { describe, expect, test } from 'vitest'
import { drifted, patched } from '../../src/steps/compose/drift.ts'
import type { Replica } from '../../src/steps/compose/stability.ts'

describe('drifted', () => {
  const replica = (more: Partial<Replica>) =>
    ({ service: 'app', config: 'old', madeBy: '2.26.1', ...more }) as Replica
  test.each<[string, Partial<Replica>, string, boolean]>([
    ['another hash', {}, '2.26.1', true],
    ['the hash that the files give', { config: 'new' }, '2.26.1', false],
    ['another version of Compose, which hashes otherwise', { madeBy: '2.40.3' }, '2.26.1', false],
    ['a revision of the distribution, which the label does not have', { madeBy: '2.26.1-4' }, '2.26.1', true],
    ['no label', { config: '' }, '2.26.1', false],
    ['a service that the files do not have', { service: 'gone' }, '2.26.1', false],
  ])('%s', (_what, more, version, isDrifted) => {
    const all = [replica(more)]
    expect(drifted(all, new Map([['app', 'new']]), version)).toEqual(isDrifted ? all : [])
  })
})

describe('patched', () => {
  type Known = Parameters<typeof patched>[0]
  type Inspected = Parameters<typeof patched>[2]
  const seen = (more: Partial<Omit<Inspected, 'config'>> & { config?: object } = {}): Inspected => ({
    imageEnv: [],
    ...more,
    config: { Image: 'app:1', ...more.config },
  })
  const VOLUMES = { volumes: { data: { name: 'p_data' }, other: { name: 'p_other' } } }
  const patch = (known: Known, container: Inspected) =>
    patched(known, { services: {}, ...VOLUMES }, container)

  test('nothing that the file does not have is made up', () =>
    expect(patch({}, seen())).toEqual({ image: 'app:1' }))

  test('the image that the container names, with its dollars kept from Compose', () =>
    expect(patch({ image: 'app:2' }, seen({ config: { Image: 'app:$1' } }))).toEqual({ image: 'app:$$1' }))

  test.each<[string, Known['environment'], string[], string[], object | undefined]>([
    ['a value that was edited', { A: 'new' }, ['A=old'], [], { A: 'old' }],
    ['a variable that the file has lost', {}, ['A=1'], [], { A: '1' }],
    ['a variable that the file has gained', { A: '1', B: '2' }, ['A=1'], [], { A: '1' }],
    ['what the image sets is nobody’s', undefined, ['PATH=/bin'], ['PATH=/bin'], undefined],
    [
      'what the image sets and the file names',
      { PATH: '/new' },
      ['PATH=/bin'],
      ['PATH=/bin'],
      { PATH: '/bin' },
    ],
    [
      'what the container sets otherwise than the image',
      undefined,
      ['PATH=/own'],
      ['PATH=/bin'],
      { PATH: '/own' },
    ],
    ['a value with = and $', { A: '' }, ['A=b=$c'], [], { A: 'b=$$c' }],
    ['a file with variables of which the container has none', { A: '1' }, [], [], {}],
  ])('%s', (_what, environment, Env, imageEnv, expected) => {
    const known = environment === undefined ? {} : { environment }
    expect(patch(known, seen({ config: { Env }, imageEnv })).environment).toEqual(expected)
  })

  test('labels that the file names, as the container has them', () => {
    const container = seen({ config: { Labels: { a: 'old', 'com.docker.compose.project': 'p' } } })
    expect(patch({ labels: { a: 'new' } }, container).labels).toEqual({ a: 'old' })
  })

  const PORT = { mode: 'ingress', target: 80, protocol: 'tcp' }
  test.each<[string, Known['ports'], Inspected['ports'], object | undefined]>([
    ['of a file without ports', undefined, { '80/tcp': [{ HostPort: '80' }] }, undefined],
    [
      'that was moved',
      [{ ...PORT, published: '81', host_ip: '127.0.0.1' }],
      { '80/tcp': [{ HostIp: '', HostPort: '80' }] },
      [{ ...PORT, published: '80' }],
    ],
    [
      'on an address',
      [{ ...PORT, published: '80' }],
      { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '80' }] },
      [{ ...PORT, published: '80', host_ip: '127.0.0.1' }],
    ],
    ['that the engine chooses', [{ ...PORT, published: '80' }], { '80/tcp': [{ HostPort: '0' }] }, [PORT]],
    [
      'that the file has lost',
      [],
      { '53/udp': [{ HostPort: '53' }] },
      [{ mode: 'ingress', target: 53, protocol: 'udp', published: '53' }],
    ],
    ['that the container does not publish', [{ ...PORT, published: '80' }], { '80/tcp': null }, []],
  ])('ports: one %s', (_what, ports, bound, expected) => {
    expect(patch(ports ? { ports } : {}, seen({ ports: bound })).ports).toEqual(expected)
  })

  test('volumes: the source that the container has, a volume by the key of the file', () => {
    const volumes = [
      { type: 'bind', source: '/new', target: '/conf' },
      { type: 'volume', source: 'other', target: '/data' },
      { type: 'bind', source: '/gained', target: '/gained' },
    ]
    const mounts = [
      { Type: 'bind', Source: '/old', Destination: '/conf' },
      { Type: 'volume', Name: 'p_data', Source: '/var/lib/x', Destination: '/data' },
      { Type: 'bind', Source: '/lost', Destination: '/lost' },
    ]
    expect(patch({ volumes }, seen({ mounts })).volumes).toEqual([
      { type: 'bind', source: '/old', target: '/conf' },
      { type: 'volume', source: 'data', target: '/data' },
    ])
  })

  test('command and entrypoint only where the file has them', () => {
    const config = { Cmd: ['run', '$X'], Entrypoint: ['/init'] }
    expect(patch({ command: ['other'], entrypoint: ['other'] }, seen({ config }))).toMatchObject({
      command: ['run', '$$X'],
      entrypoint: ['/init'],
    })
    expect(patch({ command: null }, seen({ config }))).toEqual({ image: 'app:1' })
  })
})
