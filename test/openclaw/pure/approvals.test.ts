import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const SOURCES = fileURLToPath(new URL('../../../src', import.meta.url))

test('no source asks a gateway to resolve an approval: hostops waits for a person', () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.ts'),
  )
  const texts = files.map(name => readFileSync(join(SOURCES, name), 'utf8'))
  expect(texts.filter(text => text.includes('approval.request'))).toHaveLength(1)
  expect(texts.filter(text => /approval\.resolve/.test(text))).toEqual([])
})
