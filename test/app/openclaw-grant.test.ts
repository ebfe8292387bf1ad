import { expect, test } from 'vitest'
import { grantOf } from '../../src/app/openclaw/grant.ts'
import type { DescribedInput } from '../../src/playbook/describe.ts'

const input = (name: string, value: string): DescribedInput =>
  ({ name, type: 'string', description: null, from: 'default', value }) as DescribedInput
const playbook = { name: 'upgrade', digest: 'd', inputs: [input('ref', 'main'), input('service', 'web')] }

test('a grant leaves free what is to be free, and fixes what is pinned all the same', () => {
  expect(grantOf(playbook, {}, ['ref'])).toMatchObject({ pinned: { service: 'web' } })
  expect(grantOf(playbook, { ref: 'v1' }, ['ref'])).toMatchObject({ pinned: { ref: 'v1', service: 'web' } })
})

test('a secret that the settings hold is not known here: its mask is not pinned in its place', () => {
  const secret = (from: string) => ({ ...input('key', '***'), type: 'secret', from }) as DescribedInput
  const granted = (from: string) => grantOf({ ...playbook, inputs: [secret(from)] }, {}, [])
  expect(granted('settings')).toContain('--pin key=...')
  expect(granted('pinned')).toMatchObject({ pinned: {} })
  expect(grantOf({ ...playbook, inputs: [secret('settings')] }, { key: 'x' }, [])).toMatchObject({
    pinned: { key: 'x' },
  })
})
