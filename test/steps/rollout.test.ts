/** What compose.rollout decides: who cannot run twice, which containers are of which generation, and how they come back. */
import { describe, expect, test } from 'vitest'
import { splitGenerations } from '../../src/steps/compose/change-over.ts'
import type { KeptImage } from '../../src/steps/compose/image-pins.ts'
import { wayBack } from '../../src/steps/compose/rollout-back.ts'
import type { Replica } from '../../src/steps/compose/stability.ts'
import { whyNotTwice } from '../../src/steps/compose/twice.ts'

const replica = (name: string, more: Partial<Replica> = {}): Replica => ({
  ...{ id: name, name, service: name.split('-')[0]!, image: 'old', config: 'c1', restarts: 0 },
  ...{ status: 'running', startedAt: '', finishedAt: '', exitCode: 0, comesBack: true, health: null },
  ...{ said: '', outOfMemory: false, held: null },
  ...more,
})

describe('cannot run twice', () => {
  const web = { name: 'web', oneShot: false }
  const why = (service: object, others: object = {}, held: Replica['held'] = null) =>
    whyNotTwice({ services: { web: service, ...others } }, web, [replica('web-1', { held })])

  test.each<[string, object, string]>([
    ['a fixed port', { ports: [{ target: 80, published: '8080' }] }, 'publishes port 8080 of the host'],
    ['a fixed name', { container_name: 'x' }, 'has the fixed name x'],
    ['a fixed address', { networks: { a: { ipv4_address: '10.0.0.2' } } }, 'has the fixed address 10.0.0.2'],
    ['a MAC address', { mac_address: '02:42' }, 'has the fixed address 02:42'],
    ['the network of the host', { network_mode: 'host' }, 'uses the network of the host'],
    ['that of another', { network_mode: 'service:vpn' }, 'uses the network of service:vpn'],
  ])('%s', (_name, service, words) => expect(why(service)).toEqual([words]))

  test('a service that lives in its network, data without a name, an end of its own', () => {
    expect(why({}, { side: { network_mode: 'service:web' } })).toEqual(['shares a namespace with side'])
    const mounts = [
      { Type: 'volume', Name: 'a'.repeat(64), Destination: '/data' },
      { Type: 'volume', Name: 'named', Destination: '/kept' },
    ]
    expect(why({}, {}, { mounts })).toEqual(['has data in a volume without a name at /data'])
    expect(whyNotTwice({ services: { web: {} } }, { ...web, oneShot: true }, [])).toEqual(['ends on its own'])
  })

  test('everything else can', () => {
    const ports = [{ target: 80 }, { target: 81, published: '0' }, { target: 82, published: '8000-8010' }]
    expect(why({ ports, networks: { a: null }, network_mode: 'bridge' }, { other: {} })).toEqual([])
  })
})

test('as many stay as there are to be, and the others go', () => {
  const found = [replica('web-1'), replica('web-2', { image: 'new' }), replica('web-3', { image: 'new' })]
  const parts = (replicas: number, stale: Replica[] = []) =>
    splitGenerations({
      found,
      services: [{ name: 'web', replicas }],
      stays: ({ image }) => image === 'new',
      stale,
    }).map(({ staying, leaving, starts }) =>
      [staying, leaving].map(each => each.map(({ id }) => id)).concat([[`${starts}`]]),
    )
  expect(parts(2)).toEqual([[['web-2', 'web-3'], ['web-1'], ['0']]])
  expect(parts(1)).toEqual([[['web-2'], ['web-1', 'web-3'], ['0']]])
  expect(parts(3, [found[1]!])).toEqual([[['web-3'], ['web-1'], ['2']]])
})

describe('the way back', () => {
  const image = (service: string, more: Partial<KeptImage> = {}): KeptImage => ({
    ...{ service, name: service, named: 'old', id: 'old', pin: 'pin', others: [], replicas: 1 },
    ...{ running: ['old'], up: 1, config: 'c1' },
    ...more,
  })
  const way = (there: KeptImage[], found: Replica[], containers = ['web-1', 'db-1', 'migrate-1']) => {
    const seen = wayBack(['web'], { containers }, there, found)
    const names = (images: KeptImage[]) => images.map(({ service }) => service)
    return {
      ...{ first: names(seen.first), beside: names(seen.beside), last: names(seen.last) },
      ...{
        isGone: seen.isGone,
        stay: found.filter(each => each.service === 'web' && seen.stays(each)).map(({ id }) => id),
      },
      stale: seen.stale.map(({ id }) => id),
    }
  }
  const next = (name: string, more: Partial<Replica> = {}) =>
    replica(name, { image: 'new', config: 'c2', ...more })

  test('the old container stays where it is, and nothing else is touched', () => {
    const seen = way([image('web'), image('db')], [replica('db-1'), replica('web-1'), next('web-2')])
    expect(seen).toEqual({
      first: [],
      beside: ['web'],
      last: [],
      isGone: false,
      stay: ['web-1'],
      stale: [],
    })
  })
  test('one that is gone, or was stopped to be removed, is started anew', () => {
    expect(way([image('web')], [next('web-2')])).toMatchObject({ beside: ['web'], isGone: true, stay: [] })
    const stopped = replica('web-1', { status: 'exited' })
    expect(way([image('web')], [stopped, next('web-2')])).toMatchObject({
      stay: [],
      stale: ['web-1'],
      isGone: true,
    })
  })
  test('one that an earlier runner has brought back counts, unless it crashes', () => {
    expect(way([image('web')], [next('web-2'), replica('web-3')]).stay).toEqual(['web-3'])
    expect(way([image('web')], [next('web-2'), replica('web-3', { restarts: 2 })]).stay).toEqual([])
  })
  test('replicas of several images, or of which some were stopped, come back in their places', () => {
    const others = [{ id: 'older', pin: 'p' }]
    expect(way([image('web', { others })], [next('web-2')])).toMatchObject({ beside: [], last: ['web'] })
    expect(way([image('web', { up: 0 })], [next('web-2')])).toMatchObject({ beside: [], last: ['web'] })
    // Unless they are all there.
    const stopped = replica('web-1', { status: 'exited' })
    expect(way([image('web', { up: 0 })], [stopped, next('web-2')])).toMatchObject({
      beside: ['web'],
      last: [],
      stay: ['web-1'],
    })
  })
  test('dependencies go before it, and what ends on its own is made by it', () => {
    const { up: _, ...once } = image('migrate')
    const ran = next('migrate-2', { status: 'exited' })
    const seen = way([image('web'), image('db'), once], [next('db-2'), ran, next('web-2')])
    expect(seen).toMatchObject({ first: ['db'], beside: ['web'], last: [], stale: ['migrate-2'] })
  })
})
