/** What an editor makes of the schemas: a YAML language server as editors run it, with the line that playbooks begin with. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { kinds } from '../../src/steps/index.ts'
import { YamlServer } from '../rig/yaml-server.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const shipped = ['playbooks', 'examples'].flatMap(folder =>
  readdirSync(join(root, folder))
    .filter(name => name.endsWith('.yaml'))
    .map(name => join(folder, name)),
)

let server: YamlServer
beforeAll(async () => {
  server = await YamlServer.start(root)
})
afterAll(() => server.stop())

const HEAD = '# yaml-language-server: $schema=../schemas/playbook.schema.json\nhostops: 1\nname: edited\n'
let opened = 0
/** As a file of the playbooks folder that was not saved yet. */
async function edit(text: string) {
  opened += 1
  const path = join(root, 'playbooks', `unsaved-${opened}.yaml`)
  return { path, complaints: await server.open(path, HEAD + text) }
}

test.each(shipped)('%s: nothing is underlined', async file => {
  const text = readFileSync(join(root, file), 'utf8')
  expect(text).toContain('# yaml-language-server: $schema=')
  expect(await server.open(join(root, file), text)).toEqual([])
})

describe('underlined', () => {
  test.each([
    ['a key that is none', 'timeuot: 5m\nsteps:\n  - run: [date]\n', 3, /timeuot/],
    ['a key of a step that is none', 'steps:\n  - run: [date]\n    timeuot: 5m\n', 5, /timeuot/],
    ['a value of the wrong type', 'steps:\n  - run: 7\n', 4, /type|array/i],
    [
      'a value that is none of those there are',
      'inputs:\n  a: { type: strong }\nsteps:\n  - run: [date]\n',
      4,
      /string/,
    ],
    [
      'a kind that there is not',
      'steps:\n  - uses: git.fetsch\n    with: { repo: /srv/app }\n',
      4,
      /git\.fetch/,
    ],
    [
      'a field that a kind does not have',
      'steps:\n  - uses: git.fetch\n    with: { repo: /srv/app, dept: 1 }\n',
      5,
      /dept/,
    ],
    ['a playbook without steps', 'timeout: 5m\n', 1, /steps/],
  ])('%s', async (_what, text, line, message) => {
    const { complaints } = await edit(text)
    expect(complaints.map(({ message, range }) => [range.start.line, message])).toContainEqual([
      line,
      expect.stringMatching(message),
    ])
  })
})

test('offered: every kind of step, and the fields of the one that was chosen', async () => {
  const { path } = await edit('steps:\n  - uses: \n  - uses: git.checkout\n    with:\n      \n')
  const offered = await server.completions(path, { line: 4, character: 10 })
  expect(offered).toEqual(expect.arrayContaining(Object.keys(kinds)))
  expect(await server.completions(path, { line: 7, character: 6 })).toEqual(
    expect.arrayContaining(['repo', 'ref', 'pull']),
  )
})

test('explained: keys, kinds and their fields', async () => {
  const { path } = await edit(
    'timeout: 5m\nsteps:\n  - uses: git.fetch\n    with: { repo: /srv/app, prune: true }\n',
  )
  expect(await server.hover(path, { line: 3, character: 2 })).toMatch(/run/i)
  expect(await server.hover(path, { line: 6, character: 30 })).toContain('Forget what the remote has deleted')
})
