/** Each case is a wrong playbook and, beside it, exactly what a person is told. `UPDATE=1` writes them anew. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { renderDiagnostics } from '../../src/document/print-diagnostics.ts'
import { loadPlaybook } from '../../src/playbook/load.ts'
import { fixtureKinds } from './kinds.ts'

const folder = new URL('cases/', import.meta.url)
const cases = readdirSync(folder).filter(name => name.endsWith('.yaml'))

test.each(cases)('%s', name => {
  const loaded = loadPlaybook(readFileSync(new URL(name, folder)), name, fixtureKinds)
  const text = loaded.ok
    ? `accepted\n${renderDiagnostics(loaded.warnings, 'text')}`
    : renderDiagnostics(loaded.diagnostics, 'text')
  const golden = new URL(name.replace(/yaml$/, 'txt'), folder)
  if (process.env['UPDATE'] === '1') writeFileSync(golden, text)
  expect(text).toBe(readFileSync(golden, 'utf8'))
  expect(loaded.ok).toBe(name.startsWith('ok-'))
})

test('there is no expectation without a case', () => {
  const goldens = readdirSync(folder).filter(name => name.endsWith('.txt'))
  expect(goldens.map(name => name.replace(/txt$/, 'yaml')).sort()).toEqual([...cases].sort())
})
