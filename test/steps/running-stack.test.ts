/** Which files, env files, folder and project a stack is made of: what runs says so, unless the playbook means others. */
import { expect, test } from 'vitest'
import { Failed } from '../../src/failure.ts'
import type { Stack } from '../../src/steps/compose/compose.ts'
import { chooseStack, type Made } from '../../src/steps/compose/running-stack.ts'

const given = (more: Partial<Stack> = {}): Stack => ({
  dir: '/srv/app',
  files: [],
  envFiles: [],
  profiles: [],
  ...more,
})
const made = (more: Partial<Made> = {}): Made => ({
  id: '1f',
  project: 'app',
  service: 'gw',
  folder: '/srv/app',
  files: ['/srv/app/compose.yaml'],
  envFiles: [],
  running: true,
  ...more,
})
const TWO = ['/srv/app/compose.yaml', '/srv/app/extra.yaml']

type Case = [what: string, given: Stack, made: Made[], services: string[], chosen: Partial<Stack>]
test.each<Case>([
  [
    'nothing runs: what the playbook says',
    given({ files: ['a.yaml'] }),
    [],
    [],
    given({ files: ['a.yaml'] }),
  ],
  [
    'the files, folder and project that the containers were made with',
    given(),
    [made({ files: TWO, envFiles: ['/srv/app/prod.env'], project: 'theirs' })],
    [],
    { files: TWO, envFiles: ['/srv/app/prod.env'], project: 'theirs', dir: '/srv/app' },
  ],
  [
    'the folder as the containers spell it',
    given({ dir: '/srv/link' }),
    [made()],
    [],
    { dir: '/srv/app', files: ['/srv/app/compose.yaml'] },
  ],
  [
    'containers of an old Compose, which name no files',
    given({ files: ['a.yaml'] }),
    [made({ files: [] })],
    [],
    { files: ['a.yaml'] },
  ],
  [
    'the .env that newer versions of Compose name by themselves',
    given(),
    [made({ envFiles: ['/srv/app/.env'] })],
    [],
    { envFiles: [] },
  ],
  [
    'a .env beside another env file was named',
    given(),
    [made({ envFiles: ['/srv/app/.env', '/srv/app/b.env'] })],
    [],
    { envFiles: ['/srv/app/.env', '/srv/app/b.env'] },
  ],
  [
    'the same files, named relative to the folder',
    given({ files: ['compose.yaml', './extra.yaml'] }),
    [made({ files: TWO })],
    [],
    { files: TWO },
  ],
  ['profiles of the playbook stay', given({ profiles: ['debug'] }), [made()], [], { profiles: ['debug'] }],
  [
    'the services that are meant, where others were made otherwise',
    given(),
    [made({ service: 'other', files: TWO }), made()],
    ['gw'],
    { files: ['/srv/app/compose.yaml'] },
  ],
  [
    'a service that is new: the stack that the others are',
    given(),
    [made({ service: 'other', files: TWO })],
    ['gw'],
    { files: TWO },
  ],
  [
    'the named project of two that run from one folder',
    given({ project: 'b' }),
    [made({ project: 'a', files: TWO }), made({ project: 'b' })],
    [],
    { project: 'b', files: ['/srv/app/compose.yaml'] },
  ],
  [
    'adopted: what the playbook names, and what runs for the rest',
    given({ adopt: true, files: ['new.yaml'] }),
    [made({ files: TWO, envFiles: ['/srv/app/b.env'] })],
    [],
    { files: ['new.yaml'], envFiles: ['/srv/app/b.env'], project: 'app' },
  ],
  [
    'adopted under another project',
    given({ adopt: true, project: 'new' }),
    [made()],
    [],
    { project: 'new', files: [] },
  ],
])('%s', (_what, stack, containers, services, chosen) => {
  expect(chooseStack(stack, containers, services)).toMatchObject(chosen)
})

type Refused = [what: string, given: Stack, made: Made[], difference: object]
test.each<Refused>([
  [
    'other files than those that run',
    given({ files: ['compose.yaml'] }),
    [made({ files: TWO })],
    { what: 'files', runs: TWO, named: ['/srv/app/compose.yaml'] },
  ],
  [
    'the same files in another order, which means another configuration',
    given({ files: ['extra.yaml', 'compose.yaml'] }),
    [made({ files: TWO })],
    { what: 'files', runs: TWO },
  ],
  [
    'another env file',
    given({ envFiles: ['new.env'] }),
    [made({ envFiles: ['/srv/app/old.env'] })],
    { what: 'env files', runs: ['/srv/app/old.env'], named: ['/srv/app/new.env'] },
  ],
  [
    'services of one stack that were made from different files',
    given(),
    [made(), made({ service: 'other', files: TWO })],
    { what: 'files', runs: ['gw: /srv/app/compose.yaml', `other: ${TWO.join(', ')}`], named: [] },
  ],
  [
    'two projects that run from one folder, with none named',
    given(),
    [made({ project: 'a' }), made({ project: 'b' })],
    { what: 'project', runs: ['a', 'b'], named: [] },
  ],
  [
    'a project that does not run here, beside one that does',
    given({ project: 'c' }),
    [made({ project: 'a' }), made({ project: 'a', service: 'other' })],
    { what: 'project', runs: ['a'], named: ['c'] },
  ],
  [
    'two projects, also where others are adopted',
    given({ adopt: true }),
    [made({ project: 'a' }), made({ project: 'b' })],
    { what: 'project', runs: ['a', 'b'] },
  ],
])('refused: %s', (_what, stack, containers, difference) => {
  const choose = () => chooseStack(stack, containers, [])
  expect(choose).toThrow(Failed)
  try {
    choose()
  } catch (error) {
    expect((error as Failed).failure).toMatchObject({
      code: 'stack-differs',
      dir: '/srv/app',
      differences: [difference],
    })
  }
})
