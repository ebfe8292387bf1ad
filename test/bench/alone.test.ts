/** As README.md says: each bench also runs alone. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const benches = readdirSync(import.meta.dirname).filter(
  file => file.endsWith('.mjs') && !['all.mjs', 'rig.mjs'].includes(file),
)

test('there are benches', () => expect(benches.length).toBeGreaterThan(5))

test.each(benches)('%s prints its own table', file => {
  const text = readFileSync(`${import.meta.dirname}/${file}`, 'utf8')
  expect(text.trimEnd().split('\n').at(-1)).toBe('await main(import.meta, run)')
})
