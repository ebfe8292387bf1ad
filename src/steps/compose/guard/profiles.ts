/** Compose sends the engine the text of a seccomp profile, so another text under the same name is another power. Pure. */

import { posix } from 'node:path'
import { isRecord, recordOf } from '../../../document/is-record.ts'
import { text } from '../../stack/power.ts'
import type { ComposeConfig } from './host-paths.ts'

/** The profiles in `config` with the version of their file, where that has one. */
export function withVersions(
  config: ComposeConfig,
  dir: string,
  versionOf: (path: string) => string | undefined,
): ComposeConfig {
  const versioned = (option: unknown) => {
    const [, path] = /^seccomp[:=](.+)$/s.exec(text(option)) ?? []
    const version = path === undefined ? undefined : versionOf(posix.resolve(dir, path))
    return version === undefined ? option : `${option}@${version}`
  }
  const services = Object.entries(recordOf(config['services'])).map(([name, service]) =>
    isRecord(service) && Array.isArray(service['security_opt'])
      ? [name, { ...service, security_opt: service['security_opt'].map(versioned) }]
      : [name, service],
  )
  return { ...config, services: Object.fromEntries(services) }
}

export function profilesIn(config: ComposeConfig, dir: string): string[] {
  const paths: string[] = []
  withVersions(config, dir, path => void paths.push(path))
  return paths.filter(path => !/[\u0000-\u001f]/.test(path))
}
