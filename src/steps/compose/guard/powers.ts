/**
 * A rendered configuration, reduced to what it may do beyond its own containers. Every field that is not known to be
 * harmless is a power, so that a field of a future Compose opens nothing. Pure.
 */

import { posix } from 'node:path'
import { isRecord, recordOf } from '../../../document/is-record.ts'
import { type Power, power, text, unknownField } from '../../stack/power.ts'
import { repositoryOf } from '../image-name.ts'
import { buildPowers } from './build-powers.ts'
import { bindPowers, type ComposeConfig, filePowers, type Resolve } from './host-paths.ts'

/** What they mean stays inside the container, or inside the engine and the stack. */
const HARMLESS: ReadonlySet<string> = new Set(
  `attach command container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus
  cpuset depends_on develop dns dns_opt dns_search domainname entrypoint environment expose extra_hosts healthcheck
  hostname init links mac_address mem_limit mem_reservation mem_swappiness memswap_limit networks oom_kill_disable
  oom_score_adj pids_limit platform profiles pull_policy pull_refresh_after restart scale shm_size stdin_open
  stop_grace_period stop_signal tmpfs tty ulimits working_dir configs secrets
  cap_drop read_only user`.split(/\s+/),
)
const DEPLOY = new Set(
  'endpoint_mode labels mode placement replicas restart_policy rollback_config update_config'.split(' '),
)
const RESOURCES = new Set(['cpus', 'memory', 'pids'])
const LOG_DRIVERS = new Set(['', 'json-file', 'local', 'none'])

export function powersOf(config: ComposeConfig, resolve: Resolve): Power[] {
  const all = Object.entries(config).flatMap(([field, value]) => {
    if (value === null || value === undefined || field.startsWith('x-') || field === 'name') return []
    const own = TOP[field]
    if (own === undefined || !isRecord(value)) return unknownField('', field, value)
    return Object.entries(value).flatMap(([name, each]) => own(name, each, config, resolve))
  })
  return [...new Map(all.map(each => [each.key, each])).values()]
}

/** Everything that the configuration names for the host. */
export function pathsIn(config: unknown): string[] {
  const paths = new Set<string>()
  powersOf(recordOf(config), path => {
    paths.add(posix.normalize(path))
    return { path, within: true, own: true }
  })
  return [...paths].filter(path => path.startsWith('/') && !/[\u0000-\u001f]/.test(path))
}

type Reduce = (name: string, value: unknown, config: ComposeConfig, resolve: Resolve) => Power[]

const TOP: Record<string, Reduce | undefined> = {
  services: (name, value, config, resolve) =>
    fields(name, value, (field, each) => service(name, field, each, resolve)).concat(
      builtName(name, value, config),
      usedPowers(name, value, config, resolve),
    ),
  networks: (name, value, config) => resource('networks', name, value, config, network),
  volumes: (name, value, config) => resource('volumes', name, value, config, volume),
  configs: (name, value, config, resolve) => definition('configs', name, value, config, resolve),
  secrets: (name, value, config, resolve) => definition('secrets', name, value, config, resolve),
}

function fields(name: string, value: unknown, each: (field: string, value: unknown) => Power[]): Power[] {
  if (value === null || value === undefined) return []
  if (!isRecord(value)) return unknownField('', name, value)
  return Object.entries(value).flatMap(([field, own]) =>
    own === null || own === undefined || field.startsWith('x-') ? [] : each(field, own),
  )
}

function service(name: string, field: string, value: unknown, resolve: Resolve): Power[] {
  if (HARMLESS.has(field)) return []
  switch (field) {
    case 'privileged':
      return value === false ? [] : [power(name, field, `${name} would run privileged`)]
    case 'cap_add':
      return each(name, field, value, cap => `${name} would have the capability ${cap}`)
    case 'security_opt':
      return list(value).flatMap(opt => (isLimit(opt) ? [] : unknownField(name, field, opt)))
    case 'devices':
      return list(value).flatMap(device => devicePower(name, device))
    case 'pid':
    case 'ipc':
    case 'uts':
    case 'userns_mode':
    case 'cgroup':
      return [power(name, field, `${name} would use the ${field} namespace "${text(value)}"`, value)]
    case 'network_mode':
      return ownNetwork(value)
        ? []
        : [power(name, field, `${name} would use the network "${text(value)}"`, value)]
    case 'image':
      return imagePower(name, value)
    case 'ports':
      return list(value).flatMap(port => portPower(name, port))
    case 'volumes':
      return list(value).flatMap(mount => mountPower(name, mount, resolve))
    case 'env_file':
    case 'label_file':
      return list(value).flatMap(file =>
        filePowers(name, field, isRecord(file) ? file['path'] : file, resolve),
      )
    case 'labels':
      return labelPowers(name, value)
    case 'logging':
      return isRecord(value) && LOG_DRIVERS.has(text(value['driver'] ?? ''))
        ? []
        : unknownField(name, field, value)
    case 'deploy':
      return deployPowers(name, value)
    case 'build':
      return buildPowers(name, value, resolve)
    default:
      return unknownField(name, field, value)
  }
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value])
const each = (name: string, field: string, value: unknown, words: (item: string) => string) =>
  list(value).map(item => power(name, field, words(text(item)), item))

export const isLimit = (option: unknown) => /^no-new-privileges([:=]true)?$/.test(text(option))
/** The engine's own bridge is everybody's: whoever joins it reaches the containers of other stacks. */
const ownNetwork = (mode: unknown) => /^(none|service:.+)$/.test(text(mode))

function devicePower(name: string, device: unknown): Power[] {
  const [from, , may] = text(device).split(':')
  const { source, permissions = 'rwm' } = isRecord(device) ? device : { source: from, permissions: may }
  const words = `${name} would use the device ${text(source)} of the host`
  return permissions === 'r'
    ? [power(name, 'devices-ro', `${words}, read-only`, source)]
    : [power(name, 'devices', words, source)]
}

/** One that is more than the stack's own is a power of each service that gets it: another one may be there that never runs. */
function usedPowers(name: string, value: unknown, config: ComposeConfig, resolve: Resolve): Power[] {
  if (!isRecord(value)) return []
  return ['networks', 'configs', 'secrets'].flatMap(kind => {
    const defined = recordOf(config[kind])
    const used = isRecord(value[kind])
      ? Object.keys(value[kind])
      : list(value[kind] ?? []).map(each => text(isRecord(each) ? each['source'] : each))
    return used
      .filter(each => TOP[kind]!(each, defined[each], config, resolve).length > 0)
      .map(each => power(name, kind, `${name} would use ${kind}/${each}`, each))
  })
}

/** Other stacks may start what has that name. Its tag does not matter: people count their own versions there. */
function builtName(name: string, value: unknown, config: ComposeConfig): Power[] {
  if (!isRecord(value) || !value['build'] || !value['image']) return []
  const image = repositoryOf(text(value['image']))
  return image === `${text(config['name'])}-${name}`
    ? []
    : [power(name, 'build.image', `${name} would build the image ${image}`, image)]
}

function imagePower(name: string, image: unknown): Power[] {
  const first = text(image).split('/')[0]!
  const isHost = text(image).includes('/') && /[.:]|^localhost$/.test(first)
  const registry = isHost ? first : 'docker.io'
  return [power(name, 'registry', `${name} would use images of ${registry}`, registry)]
}

function portPower(name: string, port: unknown): Power[] {
  if (!isRecord(port)) return unknownField(name, 'ports', port)
  const {
    host_ip: ip,
    published,
    protocol = 'tcp',
    target,
    mode: _,
    name: __,
    app_protocol: ___,
    ...more
  } = port
  const at =
    typeof ip === 'string' && ip !== '' && ip !== '0.0.0.0' ? `${ip.includes(':') ? `[${ip}]` : ip}:` : ''
  const words =
    published === undefined || published === ''
      ? `${name} would publish a port of the engine's choice for ${text(target)}/${text(protocol)}`
      : `${name} would publish port ${at}${text(published)}${protocol === 'tcp' ? '' : `/${text(protocol)}`}`
  const value = `${at}${published ? text(published) : `any-for-${text(target)}`}/${text(protocol)}`
  return [power(name, 'port', words, value), ...rest(name, 'ports', more)]
}

function mountPower(name: string, mount: unknown, resolve: Resolve): Power[] {
  if (!isRecord(mount)) return unknownField(name, 'volumes', mount)
  if (mount['type'] === 'tmpfs') return []
  if (mount['type'] === 'bind') return bindPowers(name, mount, resolve)
  if (mount['type'] !== 'volume') return unknownField(name, 'volumes', mount)
  const { type: _, source, target: __, read_only: ___, volume: options, consistency: ____, ...more } = mount
  const { nocopy: _a, subpath: _b, ...unknown } = recordOf(options)
  const named =
    typeof source === 'string'
      ? [power(name, 'volume', `${name} would mount the volume ${source}`, source)]
      : []
  return [...named, ...rest(name, 'volumes.volume', unknown), ...rest(name, 'volumes', more)]
}

export const rest = (name: string, field: string, more: Record<string, unknown>): Power[] =>
  Object.entries(more).flatMap(([key, value]) =>
    value === null || value === undefined ? [] : unknownField(name, `${field}.${key}`, value),
  )

/** Other programs with access to the engine act on labels. */
function labelPowers(name: string, value: unknown): Power[] {
  if (!isRecord(value)) return unknownField(name, 'labels', value)
  return Object.entries(value).flatMap(([label, own]) => {
    if (label.startsWith('org.opencontainers.image.')) return []
    return [power(name, `label.${label}`, `${name} would have the label ${label}`, { own })]
  })
}

function deployPowers(name: string, value: unknown): Power[] {
  return fields(name, value, (field, own) => {
    if (DEPLOY.has(field)) return []
    if (field !== 'resources') return unknownField(name, `deploy.${field}`, own)
    return fields(name, own, (part, amounts) =>
      fields(name, amounts, (key, amount) =>
        RESOURCES.has(key) && /^(limits|reservations)$/.test(part)
          ? []
          : unknownField(name, `deploy.resources.${part}.${key}`, amount),
      ),
    )
  })
}

type Own = (name: string, field: string, value: unknown) => Power[] | null

/** `external`, or a name that is not the project's, reaches what others have made. */
function resource(kind: string, name: string, value: unknown, config: ComposeConfig, own: Own): Power[] {
  const full = `${kind}/${name}`
  return fields(full, value, (field, each) => {
    if (field === 'name') return text(each) === `${text(config['name'])}_${name}` ? [] : foreign(full, each)
    if (field === 'external') return each === false ? [] : foreign(full, `external ${name}`)
    return own(full, field, each) ?? unknownField(full, field, each)
  })
}

export const foreign = (full: string, name: unknown) => [
  power(full, 'name', `${full} would be one that the stack does not own: ${text(name)}`, name),
]

const network: Own = (_, field, value) => {
  if (/^(attachable|internal|labels|enable_ipv4|enable_ipv6)$/.test(field)) return []
  if (field === 'driver') return /^(|bridge|default)$/.test(text(value)) ? [] : null
  return field === 'ipam' && isRecord(value) && Object.keys(value).length === 0 ? [] : null
}

const volume: Own = (_, field, value) => {
  if (field === 'labels') return []
  return field === 'driver' && /^(|local)$/.test(text(value)) ? [] : null
}

function definition(
  kind: string,
  name: string,
  value: unknown,
  config: ComposeConfig,
  resolve: Resolve,
): Power[] {
  return resource(kind, name, value, config, (full, field, each) => {
    if (field === 'content' || field === 'labels') return []
    if (field === 'file') return filePowers(full, 'file', each, resolve)
    if (field !== 'environment') return null
    return [power(full, field, `${full} would be the variable ${text(each)} of the host`, each)]
  })
}
