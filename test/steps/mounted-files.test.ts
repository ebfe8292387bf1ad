/** Which files of the tree a service mounts, so that a changed one is not taken for the old configuration. */
import { expect, test } from 'vitest'
import { mountsOf } from '../../src/steps/compose/mounted-files.ts'

const bind = (source: string) => ({ type: 'bind', source, target: '/x' })

test.each<
  [string, NonNullable<Parameters<typeof mountsOf>[0]>, Record<string, { files: string[]; inline: string }>]
>([
  ['nothing', { services: { app: {} } }, {}],
  [
    'files and folders of the tree, sorted, each once',
    { services: { app: { volumes: [bind('/srv/b'), bind('/srv/a'), bind('/srv/b')] } } },
    { app: { files: ['/srv/a', '/srv/b'], inline: '' } },
  ],
  ['what lies outside', { services: { app: { volumes: [bind('/etc/app'), bind('/srv-other/a')] } } }, {}],
  ['the folder itself, which is not a file of it', { services: { app: { volumes: [bind('/srv')] } } }, {}],
  [
    'a volume, which has no path',
    { services: { app: { volumes: [{ type: 'volume', source: 'data' }] } } },
    {},
  ],
  [
    'in memory, without a source',
    { services: { app: { volumes: [{ type: 'tmpfs', target: '/tmp' }] } } },
    {},
  ],
  [
    'configs and secrets of the tree, by their definitions',
    {
      services: { app: { configs: [{ source: 'conf' }], secrets: [{ source: 'key' }] } },
      configs: { conf: { file: '/srv/app.conf' }, other: { file: '/srv/other.conf' } },
      secrets: { key: { file: '/srv/key' } },
    },
    { app: { files: ['/srv/app.conf', '/srv/key'], inline: '' } },
  ],
  [
    'a config and a secret of one name',
    {
      services: { app: { secrets: [{ source: 'x' }] } },
      configs: { x: { file: '/srv/config' } },
      secrets: { x: { file: '/srv/secret' } },
    },
    { app: { files: ['/srv/secret'], inline: '' } },
  ],
  [
    'a config whose text stands in the compose file',
    { services: { app: { configs: [{ source: 'conf' }] } }, configs: { conf: { content: 'a: 1' } } },
    { app: { files: [], inline: '["a: 1"]' } },
  ],
  [
    'a secret from a variable, and one without a definition',
    {
      services: { app: { secrets: [{ source: 'token' }, { source: 'gone' }] } },
      secrets: { token: { environment: 'TOKEN' } },
    },
    {},
  ],
  [
    'each service its own',
    { services: { app: { volumes: [bind('/srv/a')] }, db: { volumes: [bind('/srv/b')] }, web: {} } },
    { app: { files: ['/srv/a'], inline: '' }, db: { files: ['/srv/b'], inline: '' } },
  ],
])('%s', (_what, rendered, expected) => {
  expect(Object.fromEntries(mountsOf(rendered, '/srv'))).toEqual(expected)
})

test('of a configuration that cannot be read', () => expect(mountsOf(null, '/srv').size).toBe(0))
