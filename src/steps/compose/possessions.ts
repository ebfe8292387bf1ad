/**
 * What a container has that its users rely on: mounts, published ports, networks, names of environment variables. Held
 * against what the configuration would give to the next one. Pure.
 */
import { posix } from 'node:path'
import * as z from 'zod'
import { once } from '../contract/once.ts'

/**
 * Had: lost unless one of the keys is among those of the replacement. Has: all the keys that it stands for. Engines on a
 * desktop spell the source of a mount in their own way, too, and a port on every address is one on each of them.
 */
export type Possession = { what: string; keys: string[] }

/** As `docker inspect` has them. */
export const mountsField = () =>
  z
    .array(
      z.object({
        Type: z.string(),
        Name: z.string().nullish(),
        Source: z.string().nullish(),
        Destination: z.string(),
      }),
    )
    .nullish()
export const portsField = () => {
  const at = z.object({ HostIp: z.string().nullish(), HostPort: z.string().nullish() })
  return z.record(z.string(), z.array(at).nullish()).nullish()
}

const heldSchema = once(() =>
  z.object({
    mounts: mountsField(),
    binds: z.array(z.string()).nullish(),
    ports: portsField(),
    networks: z.record(z.string(), z.unknown()).nullish(),
    env: z.array(z.string()).nullish(),
  }),
)
/** The parts of `docker inspect` that this is read from. */
export const HELD =
  '"mounts":{{json .Mounts}},"binds":{{json .HostConfig.Binds}},"ports":{{json .HostConfig.PortBindings}},"networks":{{json .NetworkSettings.Networks}},"env":{{json .Config.Env}}'
export type Held = z.infer<ReturnType<typeof heldSchema>>

/** In the first of its networks, by their names; null where it has none, or does not run. */
export function addressOf({ held }: { held?: Held | null }): string | null {
  const networks = Object.entries(held?.networks ?? {}).sort(([a], [b]) => a.localeCompare(b))
  const addresses = networks.flatMap(([, network]) => {
    const { IPAddress, GlobalIPv6Address } = (network ?? {}) as Record<string, unknown>
    return [IPAddress, GlobalIPv6Address].filter(each => typeof each === 'string' && each !== '') as string[]
  })
  return addresses[0] ?? null
}

/** Without the values of variables, which may be secrets. */
export function heldOf(inspected: unknown): Held | null {
  const held = heldSchema().safeParse(inspected).data
  return held === undefined ? null : { ...held, env: (held.env ?? []).map(nameIn) }
}

/** Made by the engine for a VOLUME of the image; compose hands it on to the next container. */
const ANONYMOUS = /^[0-9a-f]{64}$/
/** Where a container has such volumes, which only a container in its very place takes over. */
export const anonymousVolumes = ({ held }: { held?: Held | null }): string[] =>
  (held?.mounts ?? []).flatMap(({ Type, Name, Destination }) =>
    Type === 'volume' && ANONYMOUS.test(Name ?? '') ? [Destination] : [],
  )

/** Of the engine, and there for every container. */
const BUILT_IN = new Set(['host', 'none', 'bridge'])

/** `imageEnv`: what the image itself sets is nobody's configuration. */
export function possessionsOf(held: Held, imageEnv: readonly string[]): Possession[] {
  const ofImage = new Set(imageEnv.map(nameIn))
  return [
    ...(held.mounts ?? []).flatMap(mount => mounted(mount, held.binds ?? [])),
    ...Object.entries(held.ports ?? {}).flatMap(([port, bound]) =>
      (bound ?? []).flatMap(({ HostIp, HostPort }) => reached({ port, host: HostPort, address: HostIp })),
    ),
    ...Object.keys(held.networks ?? {}).flatMap(name => (BUILT_IN.has(name) ? [] : [joined(name)])),
    ...(held.env ?? []).flatMap(name => (ofImage.has(name) ? [] : [variable(name)])),
  ]
}

function mounted(
  { Type, Name, Source, Destination }: NonNullable<Held['mounts']>[number],
  binds: readonly string[],
): Possession[] {
  if (Type === 'volume') return Name && !ANONYMOUS.test(Name) ? [mount(Destination, Name)] : []
  if (Type !== 'bind') return []
  const asGiven = binds.find(bind => bind.split(':').includes(Destination))?.split(`:${Destination}`)[0]
  const { what, keys } = mount(Destination, asGiven ?? Source ?? '')
  return [{ what, keys: [...keys, ...mount(Destination, Source ?? '').keys] }]
}

const configSchema = once(() => {
  const sourced = z.array(z.object({ source: z.string(), target: z.string().nullish() })).nullish()
  const named = z.record(z.string(), z.object({ name: z.string().nullish() }).nullish()).nullish()
  const filed = z.record(z.string(), z.object({ file: z.string().nullish() }).nullish()).nullish()
  return z.object({
    services: z.record(
      z.string(),
      z.object({
        environment: z.record(z.string(), z.unknown()).nullish(),
        networks: z.record(z.string(), z.unknown()).nullish(),
        ports: z
          .array(
            z.object({
              target: z.number(),
              published: z.string().nullish(),
              host_ip: z.string().nullish(),
              protocol: z.string().nullish(),
            }),
          )
          .nullish(),
        volumes: z
          .array(z.object({ type: z.string(), source: z.string().nullish(), target: z.string() }))
          .nullish(),
        secrets: sourced,
        configs: sourced,
      }),
    ),
    networks: named,
    volumes: named,
    secrets: filed,
    configs: filed,
  })
})

/** Null where the configuration does not have the service any more: then its container is not replaced. */
export function possessionsIn(rendered: unknown, name: string): Possession[] | null {
  const config = configSchema().safeParse(rendered).data
  const service = config?.services[name]
  if (!config || !service) return null
  const nameOf = (all: typeof config.volumes, key: string) => all?.[key]?.name ?? key
  const files = (all: typeof config.secrets, folder: string, used: typeof service.secrets) =>
    (used ?? []).map(({ source, target }) =>
      mount(posix.resolve(folder, target ?? source), all?.[source]?.file ?? ''),
    )
  return [
    ...(service.volumes ?? []).map(({ type, source, target }) =>
      mount(target, type === 'volume' ? nameOf(config.volumes, source ?? '') : (source ?? '')),
    ),
    ...files(config.secrets, '/run/secrets/', service.secrets),
    ...files(config.configs, '/', service.configs),
    ...(service.ports ?? []).map(({ target, protocol, published, host_ip }) =>
      offered({ port: `${target}/${protocol ?? 'tcp'}`, host: published, address: host_ip }),
    ),
    ...Object.keys(service.networks ?? {}).map(key => joined(nameOf(config.networks, key))),
    ...Object.keys(service.environment ?? {}).map(variable),
  ]
}

/** What of it the other does not have. */
export function lostFrom(had: readonly Possession[], has: readonly Possession[]): string[] {
  const keys = new Set(has.flatMap(each => each.keys))
  return [...new Set(had.flatMap(each => (each.keys.some(key => keys.has(key)) ? [] : [each.what])))]
}

const mount = (target: string, source: string): Possession => {
  const at = posix.normalize(target).replace(/(.)\/+$/, '$1')
  const what = at.startsWith('/run/secrets/')
    ? `secret ${at.slice('/run/secrets/'.length)}`
    : `mount ${at} from ${source}`
  return { what, keys: [`mount ${at} ${source.replace(/(.)\/+$/, '$1')}`] }
}
/** `address`: where the host listens; none is every address, of IPv4 and of IPv6. */
type Published = { port: string; host?: string | null | undefined; address?: string | null | undefined }

const EVERY = { v4: '0.0.0.0', v6: '::' }

/** Each family may be lost on its own. A port on one address is also reached where the next one is on all of them. */
function reached(given: Published): Possession[] {
  const { what, addresses, key } = published(given)
  return addresses.map(address => {
    const every = address.includes(':') ? EVERY.v6 : EVERY.v4
    return { what, keys: [...new Set([address, every])].map(key) }
  })
}

function offered(given: Published): Possession {
  const { what, addresses, key } = published(given)
  return { what, keys: addresses.map(key) }
}

function published({ port, host, address }: Published) {
  const ip = (address ?? '').replace(/^\[|\]$/g, '')
  const shown = ip.includes(':') ? `[${ip}]` : ip
  const isFree = !host || host === '0'
  const at = isFree ? `a free port${ip && ` of ${shown}`}` : `${shown || '*'}:${host}`
  return {
    what: `port ${at} to ${port}`,
    addresses: ip === '' ? Object.values(EVERY) : [ip],
    key: (where: string) => `port ${where} ${isFree ? '' : host} ${port}`,
  }
}

const joined = (name: string) => simple(`network ${name}`)
const variable = (name: string) => simple(`environment ${name}`)
const simple = (what: string): Possession => ({ what, keys: [what] })

const nameIn = (variable: string) => variable.split('=', 1)[0]!
