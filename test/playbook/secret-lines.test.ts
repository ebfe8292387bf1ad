/** However a file is broken: no line of it that is shown holds what may be the value of a secret. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadPlaybook } from '../../src/playbook/load.ts'
import { parseSettings } from '../../src/playbook/settings.ts'
import { kinds } from '../../src/steps/index.ts'

const SECRET = 'hunter2'

const inputs: [string, string][] = [
  ['a quote that is not closed', `  a: { type: secret, default: "${SECRET} }`],
  ['a brace that is not closed', `  a: { type: secret, default: ${SECRET}`],
  ['a tag', `  a: { type: secret, default: !${SECRET} }`],
  ['an anchor', `  a: { type: secret, default: &${SECRET} }`],
  ['an alias', `  a: { type: secret, default: *${SECRET} }`],
  ['a block that begins on its line', `  a:\n    type: secret\n    default: |${SECRET}`],
  ['a block with a tab', `  a:\n    type: secret\n    default: |\n\t${SECRET}`],
  ['a line that is not aligned', `  a:\n    type: secret\n     default: ${SECRET}`],
  ['a colon too many', `  a:\n    type: secret\n    default: x: ${SECRET}`],
  ['an escape', `  a: { type: secret, default: "\\q${SECRET}" }`],
  ['a character that begins no text', `  a: { type: secret, default: @${SECRET} }`],
  ['a text that goes on below', `  a:\n    type: secret\n    default: 'x\n${SECRET} : y : z`],
  ['twice', `  a: { type: secret, default: ${SECRET}1, default: ${SECRET}2 }`],
  ['an input twice', `  a: { type: secret, default: ${SECRET} }\n  a: { type: ref }`],
  ['a type that is misspelt', `  a: { type: secrt, default: ${SECRET} }`],
  ['a value that looks like a map', `  a:\n    type: secret\n    defualt: {${SECRET}: 1`],
  ['a key that is misspelt', `  a: { type: secret, defualt: ${SECRET} }`],
]

describe('a playbook', () => {
  test.each(inputs)('%s', (_, text) => {
    for (const whole of [
      `hostops: 1\nname: x\ninputs:\n${text}\nsteps:\n  - run: [ls]\n`,
      `  hostops: 1\n  name: x\n  inputs:\n${text.replace(/^/gm, '  ')}\n  steps: []\n`,
    ]) {
      const loaded = loadPlaybook(whole, 'x.yaml', kinds)
      expect(loaded.ok).toBe(false)
      expect(JSON.stringify(loaded)).not.toContain(SECRET)
    }
  })
})

describe('settings', () => {
  test.each([
    ['a quote that is not closed', `inputs:\n  p: { a: "${SECRET} }`],
    ['a tag', `inputs:\n  p:\n    a: !${SECRET}`],
    ['twice', `pinned:\n  p:\n    a: ${SECRET}1\n    a: ${SECRET}2`],
    ['a value that looks like a map', `inputs:\n  p:\n    a: {${SECRET}: 1\n    b: {name: {${SECRET}: 1`],
    [
      'the same on one line',
      `inputs: { p: { a: {${SECRET}: {x: 1 } }\npinned:\n  p: x\n  p: {a: {${SECRET}: 1`,
    ],
    ['all in braces', `{ target: local, inputs: { p: { a: ${SECRET}, a: ${SECRET} } } }`],
  ])('%s', (_, text) => {
    const parsed = parseSettings(`target: local\n${text}\n`, 'hostops.config.yaml', {})
    expect(parsed.ok).toBe(false)
    expect(JSON.stringify(parsed)).not.toContain(SECRET)
  })
})

test('what cannot hold one is shown', () => {
  const text = 'hostops: 1\nname: x\ninputs:\n  a: { type: ref }\nsteps:\n  - run: [ls\n  - uses: x\n'
  expect(JSON.stringify(loadPlaybook(text, 'x.yaml', kinds))).toContain('  - uses: x')
})

test('of a specification in braces its type is shown', () => {
  const text = `hostops: 1\nname: x\ninputs:\n  a: { type: secrt, default: "${SECRET} }\n  b: { pattern: "x }\nsteps: []\n`
  expect(JSON.stringify(loadPlaybook(text, 'x.yaml', kinds))).toContain('a: { type: secrt, default: ')
})

test('whatever a file is broken with, however its value is written', () => {
  const damage = fc.constantFrom('"', "'", '{', '[', '&x ', '*x', '!x ', '|', '>', '\t', '@', ': ', '%', '- ')
  const written = fc.constantFrom('{ type: secret, default: ', '\n    type: secret\n    default: ')
  fc.assert(
    fc.property(damage, damage, written, fc.boolean(), (before, after, begin, isFlow) => {
      const end = begin.startsWith('{') && isFlow ? ' }' : ''
      const inputs = `inputs:\n  a: ${begin}${before}${SECRET}${after}${end}\n  b: { type: ref, default: x, default: y }`
      const loaded = loadPlaybook(`hostops: 1\nname: x\n${inputs}\nsteps: []\n`, 'x.yaml', kinds)
      expect(loaded.ok).toBe(false)
      expect(JSON.stringify(loaded)).not.toContain(SECRET)
    }),
    { numRuns: 400 },
  )
})
