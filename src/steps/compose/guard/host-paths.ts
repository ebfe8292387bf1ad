/** Paths of the host that a configuration names. Pure: how they resolve on the target is given. */

import { posix } from 'node:path'
import { isRecord, recordOf } from '../../../document/is-record.ts'
import { type Power, power, text, unknownField } from '../../stack/power.ts'

/**
 * `path`: with the links of the target resolved. `link`: a link in the tree that the path leads through, which will be
 * another one after the checkout. `within`: inside the stack's folder, or held by git, where none of its containers can put
 * a link; `own`: inside that folder, and holds none of the files that decide what it may do.
 */
export type HostPath = { path: string; within: boolean; own: boolean; link?: string }
export type ComposeConfig = Readonly<Record<string, unknown>>
export type Resolve = (path: string) => HostPath

export function bindPowers(name: string, mount: Record<string, unknown>, resolve: Resolve): Power[] {
  const { type: _, source, target: __, read_only: readOnly, bind, consistency: ___, ...more } = mount
  const { create_host_path: _a, ...options } = recordOf(bind)
  const unknown = [...Object.entries(options), ...Object.entries(more)].flatMap(([key, value]) =>
    value === null || value === undefined ? [] : unknownField(name, `volumes.${key}`, value),
  )
  const place = resolve(text(source))
  const only = readOnly === true ? ', read-only' : ''
  const what = /(^|\/)docker\.sock$/.test(place.path)
    ? `the Docker socket ${place.path}`
    : `${place.path} of the host`
  const field = readOnly === true ? 'bind-ro' : 'bind'
  const bound = place.own ? [] : [power(name, field, `${name} would mount ${what}${only}`, place.path)]
  return [...linkPowers(name, place), ...bound, ...unknown]
}

/** A file or folder that is read on the host: of a secret, a build, an env file. */
export function filePowers(name: string, field: string, value: unknown, resolve: Resolve): Power[] {
  if (typeof value !== 'string') return unknownField(name, field, value)
  const place = resolve(value)
  const read = place.within
    ? []
    : [power(name, field, `${name} would read ${place.path} of the host`, place.path)]
  return [...linkPowers(name, place), ...read]
}

/** Folders of the host that its containers may write: what is below may be a link of theirs at any time. */
export const writableIn = ({ services, volumes }: ComposeConfig): string[] => [
  ...Object.values(recordOf(services)).flatMap(service => {
    const { volumes: mounts } = recordOf(service)
    return (Array.isArray(mounts) ? mounts : [])
      .filter(isRecord)
      .flatMap(({ type, source, read_only: readOnly }) =>
        type === 'bind' && readOnly !== true && typeof source === 'string' ? [posix.normalize(source)] : [],
      )
  }),
  ...Object.values(recordOf(volumes)).flatMap(volume => {
    const { device } = recordOf(recordOf(volume)['driver_opts'])
    return typeof device === 'string' && device.startsWith('/') ? [posix.normalize(device)] : []
  }),
]

const linkPowers = (name: string, { link }: HostPath): Power[] =>
  link === undefined
    ? []
    : [power(name, 'link', `${name} would follow the link ${link.split('@')[0]} of the tree`, link)]
