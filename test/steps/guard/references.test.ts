/** The files that a compose file names for Compose to read. */
import { expect, test } from 'vitest'
import { referencesIn } from '../../../src/steps/stack/references.ts'

const names = (text: string) => referencesIn(text)?.map(({ how, name }) => `${how} ${name}`)

test.each([
  ['include: a.yaml', ['include a.yaml', 'env_file ./.env']],
  [
    'include: [{ path: [s/a.yaml, b.yaml], env_file: x.env }]',
    ['include s/a.yaml', 'include b.yaml', 'env_file x.env'],
  ],
  [
    'services: { a: { env_file: x.env, label_file: [l], extends: { file: b.yaml, service: b } } }',
    ['extends b.yaml', 'env_file x.env', 'label_file l'],
  ],
  ['services: { a: { env_file: [{ path: x.env, required: false }] } }', ['env_file x.env']],
  ['x: &x { env_file: m.env }\nservices: { a: { <<: *x } }', ['env_file m.env']],
  ['services: {}\n---\ninclude: [second.yaml]', ['include second.yaml', 'env_file ./.env']],
  ['"inc\\x6cude": [escaped.yaml]', ['include escaped.yaml', 'env_file ./.env']],
  ['services: { a: { ports: !reset [], environment: !override { A: b } } }', []],
  ['services: { a: { extends: b } }', []],
  ['services: { a: { env_file: !!str x.env, command: "!binary" } }', ['env_file x.env']],
  ['', []],
])('%s', (text, expected) => {
  expect(names(text)).toEqual(expected)
})

test.each([
  ['a key twice', 'services: {}\nservices: {}'],
  ['a tag of its own', 'services: !mine {}'],
  ['a key in base64', '!!binary aW5jbHVkZQ==: [a.yaml]'],
  ['a name in base64', 'services: { a: { env_file: !!bin%61ry L2V0Yy9wYXNzd2Q= } }'],
  [
    'an alias that only Compose takes for a key with a value',
    'x-0: &a:/etc/passwd hostname\nx-1: &a env_file\nservices: { a: { *a:/etc/passwd } }',
  ],
  ['another encoding', 'i\u0000n\u0000c\u0000'],
  ['a line that ends where only Compose ends it', '# a\u0085services: {}'],
  ['another of those', '# a\u2028services: {}'],
  ['a carriage return of its own', '# a\rservices: {}'],
  ['bytes that are no text', 'a: \ufffd'],
  [
    'aliases without end',
    `a: &a [${'x,'.repeat(9)}x]\n${'bcdefgh'
      .split('')
      .map((k, i) => `${k}: &${k} [${Array(9).fill(`*${'abcdefg'[i]}`).join(',')}]`)
      .join('\n')}`,
  ],
  ['no YAML', 'a: [b'],
])('%s cannot be followed', (_, text) => {
  expect(referencesIn(text)).toBeNull()
})
