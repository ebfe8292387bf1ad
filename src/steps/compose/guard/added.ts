/** What a configuration may do that the one that runs may not. Pure. */

import { isRecord, recordOf } from '../../../document/is-record.ts'
import { type Power, power, text } from '../../stack/power.ts'
import type { ComposeConfig } from './host-paths.ts'
import { isLimit } from './powers.ts'

export type JudgedConfig = { config: ComposeConfig; powers: readonly Power[] }

/** `base`: null where nothing runs yet, so that everything is new. */
export function addedPowers(target: JudgedConfig, base: JudgedConfig | null): Power[] {
  const had = new Set(base?.powers.map(each => each.key))
  const volumes = recordOf(base?.config['volumes'])
  const added = target.powers.filter(({ key }) => {
    if (had.has(key)) return false
    const [, before, what, source] = /^([^:]*:)(bind-ro|devices-ro|volume)=(.*)$/.exec(key) ?? []
    if (what === undefined || source === undefined) return true
    // What may be written may be read; and a volume that nobody has yet holds nothing.
    return what === 'volume'
      ? Object.hasOwn(volumes, source)
      : !had.has(`${before}${what.replace('-ro', '')}=${source}`)
  })
  return base === null ? added : [...added, ...lostLimits(target.config, base.config)]
}

/** Fields whose absence is the power: what held a service back and does not any more. */
function lostLimits(target: ComposeConfig, base: ComposeConfig): Power[] {
  const before = servicesOf(base)
  return Object.entries(servicesOf(target)).flatMap(([name, now]) => {
    const had = before[name]
    if (had === undefined) return []
    const kept = new Set([...limitsOf(now), ...wallsOf(now, target)].map(([key]) => key))
    return [...limitsOf(had), ...wallsOf(had, base)].flatMap(([key, words]) =>
      kept.has(key) || (key.startsWith('cap_drop-') && kept.has('cap_drop-ALL'))
        ? []
        : [power(name, `without-${key}`, `${name} would no longer ${words}`)],
    )
  })
}

function limitsOf(service: Record<string, unknown>): [key: string, words: string][] {
  const list = (field: string) => (Array.isArray(service[field]) ? (service[field] as unknown[]) : [])
  const [user = '', group = ''] = text(service['user'] ?? '').split(':')
  return [
    ...list('cap_drop').map((given): [string, string] => {
      // The engine takes each spelling for the same.
      const cap = text(given).toUpperCase().replace(/^CAP_/, '')
      return [`cap_drop-${cap}`, `drop the capability ${cap}`]
    }),
    ...(list('security_opt').some(isLimit)
      ? [['no-new-privileges', 'refuse new privileges'] as [string, string]]
      : []),
    ...(service['read_only'] === true ? [['read_only', 'have a read-only root'] as [string, string]] : []),
    ...(user !== '' && !isRoot(user) ? [['user', 'run as a plain user'] as [string, string]] : []),
    // The image decides what a name means.
    ...(/^\d+$/.test(user) && !isRoot(user)
      ? [['user-number', 'run as a user with a numeric ID'] as [string, string]]
      : []),
    ...(/^\d+$/.test(group) ? [[`group-${group}`, `run in the group ${group}`] as [string, string]] : []),
  ]
}

/** Without any network but such as lead nowhere. */
function wallsOf(
  service: Record<string, unknown>,
  { networks }: ComposeConfig,
): [key: string, words: string][] {
  const all = recordOf(networks)
  const used = Object.keys(recordOf(service['networks']))
  const isInternal = (name: string) => recordOf(all[name])['internal'] === true
  const isApart = service['network_mode'] === 'none' || (used.length > 0 && used.every(isInternal))
  return isApart ? [['internal', 'be limited to internal networks']] : []
}

const isRoot = (user: string) => user === 'root' || /^[-+]?0+$/.test(user)

const servicesOf = ({ services }: ComposeConfig): Record<string, Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(recordOf(services)).flatMap(([name, each]) => (isRecord(each) ? [[name, each]] : [])),
  )
