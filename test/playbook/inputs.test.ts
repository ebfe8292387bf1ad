import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../src/document/json.ts'
import type { InputProblem } from '../../src/failure.ts'
import type { InputSources } from '../../src/playbook/given-inputs.ts'
import { checkInput, inputFromText } from '../../src/playbook/input-value.ts'
import { resolveInputs } from '../../src/playbook/inputs.ts'
import { expressionTypes, loadPlaybook } from '../../src/playbook/load.ts'
import type { InputType, Playbook } from '../../src/playbook/playbook.ts'
import { evaluate } from '../../src/playbook/resolve.ts'
import { fixtureKinds } from '../diagnostics/kinds.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-inputs-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function playbook(inputs: string): Playbook {
  const text = `hostops: 1\nname: case\ninputs:\n${inputs.replace(/^/gm, '  ')}\nsteps:\n  - run: [date]\n`
  const loaded = loadPlaybook(text, 'case.yaml', fixtureKinds)
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics))
  return loaded.playbook
}

const given = (commandLine: string[], more: Partial<InputSources> = {}): InputSources => ({
  commandLine,
  cwd: folder,
  ...more,
})

describe('one value', () => {
  const good: [InputType, string, Json][] = [
    ['string', '', ''],
    ['string', 'any text: $(id) `id` "x" \\', 'any text: $(id) `id` "x" \\'],
    ['string', 'naïve 日本語 🎉', 'naïve 日本語 🎉'],
    ['ref', 'main', 'main'],
    ['ref', 'feature/x-1', 'feature/x-1'],
    ['ref', 'refs/tags/v1.2.3', 'refs/tags/v1.2.3'],
    ['ref', '0123456789abcdef0123456789abcdef01234567', '0123456789abcdef0123456789abcdef01234567'],
    ['path', '/srv/app', '/srv/app'],
    ['path', '/', '/'],
    ['path', '/with space/und ümlaut', '/with space/und ümlaut'],
    ['path', 'C:\\srv\\app', 'C:\\srv\\app'],
    ['path', 'd:/srv', 'd:/srv'],
    ['path', '\\\\server\\share\\x', '\\\\server\\share\\x'],
    ['url', 'http://127.0.0.1:18789', 'http://127.0.0.1:18789'],
    ['url', 'https://[::1]:8443/healthz?x=1#y', 'https://[::1]:8443/healthz?x=1#y'],
    ['boolean', 'true', true],
    ['boolean', 'false', false],
    ['integer', '0', 0],
    ['integer', '-12', -12],
    ['integer', '9007199254740991', 9007199254740991],
    ['number', '1.5', 1.5],
    ['number', '-2e3', -2000],
    ['duration', '500ms', '500ms'],
    ['secret', 'line one\nline two', 'line one\nline two'],
  ]
  test.each(good)('%s accepts %j', (type, text, value) => {
    expect(inputFromText({ type }, text)).toEqual({ ok: true, value })
  })

  const bad: [InputType, string][] = [
    ['string', 'two\nlines'],
    ['string', 'a\tb'],
    ['string', 'nul\u0000'],
    ['string', '\u001b[31mred'],
    ['string', '\u202egnp.exe'],
    ['string', '\ud800'],
    ['string', 'a'.repeat(64 * 1024 + 1)],
    ['ref', ''],
    ['ref', '-x'],
    ['ref', '--upload-pack=touch /tmp/x'],
    ['ref', 'a..b'],
    ['ref', 'a b'],
    ['ref', 'a~1'],
    ['ref', 'a^{}'],
    ['ref', 'a:b'],
    ['ref', 'a?'],
    ['ref', 'a*'],
    ['ref', 'a[b'],
    ['ref', 'a\\b'],
    ['ref', '@'],
    ['ref', 'a@{1}'],
    ['ref', '/a'],
    ['ref', 'a/'],
    ['ref', 'a//b'],
    ['ref', 'a.'],
    ['ref', '.a'],
    ['ref', 'a/.b'],
    ['ref', 'a.lock'],
    ['ref', 'a.lock/b'],
    ['ref', 'a\nb'],
    ['path', ''],
    ['path', 'srv/app'],
    ['path', './srv'],
    ['path', '~/srv'],
    ['path', '/srv/../etc'],
    ['path', '/srv/./app'],
    ['path', '/srv\n'],
    ['path', 'C:srv'],
    ['path', 'C:\\srv\\..\\x'],
    ['path', 'C:\\a:b'],
    ['path', 'C:\\a|b'],
    ['path', '\\\\?\\C:\\x'],
    ['path', '\\\\.\\pipe\\x'],
    ['path', '-rf'],
    ['url', 'ftp://host/'],
    ['url', 'file:///etc/passwd'],
    ['url', 'http://'],
    ['url', 'http:///x'],
    ['url', 'http://user:pass@host/'],
    ['url', 'http://user@host/'],
    ['url', 'http://@host/'],
    ['url', 'http:\\\\host'],
    ['url', 'http://host/a b'],
    ['url', 'http://host/\n'],
    ['url', ' http://host/'],
    ['url', '//host/'],
    ['url', '-http://host'],
    ['boolean', 'yes'],
    ['boolean', 'True'],
    ['boolean', '1'],
    ['boolean', ''],
    ['integer', '1.5'],
    ['integer', '01'],
    ['integer', '0x10'],
    ['integer', ' 1'],
    ['integer', ''],
    ['integer', '9007199254740993'],
    ['integer', 'Infinity'],
    ['number', 'NaN'],
    ['number', '1e999'],
    ['number', '.5'],
    ['duration', '5'],
    ['duration', '5 minutes'],
    ['secret', ''],
    ['secret', 'a\u0000b'],
  ]
  test.each(bad)('%s refuses %j', (type, text) => {
    expect(inputFromText({ type }, text)).toMatchObject({ ok: false })
  })

  test.each([
    ['string', 1],
    ['string', true],
    ['string', null],
    ['string', ['a']],
    ['boolean', 'true'],
    ['integer', '1'],
    ['integer', 1.5],
    ['number', '1'],
    ['duration', 5],
    ['secret', 1],
  ] as [InputType, Json][])('%s refuses JSON %j: types never change silently', (type, value) => {
    expect(checkInput({ type }, value)).toMatchObject({ ok: false })
  })

  test('patterns match the whole value, and lines only where they say so', () => {
    expect(inputFromText({ type: 'string', pattern: '[a-z]+|x' }, 'abc')).toMatchObject({ ok: true })
    expect(inputFromText({ type: 'string', pattern: '[a-z]+|x' }, 'abc1')).toMatchObject({ ok: false })
    expect(inputFromText({ type: 'string', pattern: '[a-z]+' }, 'abc\n')).toMatchObject({ ok: false })
    expect(inputFromText({ type: 'string', pattern: '[a-z\n]+' }, 'abc\nd')).toMatchObject({ ok: true })
    expect(inputFromText({ type: 'integer', pattern: '[1-3]' }, '4')).toMatchObject({ ok: false })
  })

  test('a pattern that backtracks for ever is given up on', () => {
    const started = performance.now()
    const checked = inputFromText({ type: 'string', pattern: '(a+)+' }, `${'a'.repeat(60)}!`)
    expect(checked).toMatchObject({ ok: false })
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  test('the value of a secret is in no message', () => {
    for (const spec of [{ pattern: 'x' }, { oneOf: ['hunter1'] }]) {
      const checked = inputFromText({ type: 'secret', ...spec }, 'hunter2')
      expect(JSON.stringify(checked)).not.toContain('hunter')
    }
  })
})

describe('where values come from', () => {
  const book = playbook(
    [
      'repoPath: { type: path }',
      'sub: { type: path, default: "${{ inputs.repoPath }}/sub" }',
      'ref: { type: ref, default: main }',
      'count: { type: integer, optional: true }',
      'token: { type: secret, optional: true }',
    ].join('\n'),
  )

  test('of a wrong value in the settings it is told that it stands there', async () => {
    const book = playbook('n: { type: integer }\nb: { type: boolean, default: false }')
    const sources = given(['m=1', 'n=1.5'], { settings: { b: 'x', no: 1 } })
    const { problems } = (await resolveInputs(book, sources)) as { problems: InputProblem[] }
    const whole = { problem: 'ill-typed', detail: 'must be a whole number' }
    expect(problems).toContainEqual({ input: 'n', ...whole })
    expect(problems.filter(({ inSettings }) => inSettings).map(({ input }) => input)).toEqual(['no', 'b'])
  })

  test('command line over file over settings over default; pinned above all', async () => {
    writeFileSync(join(folder, 'inputs.json'), '{"ref": "from-file", "count": 2}')
    const result = await resolveInputs(
      book,
      given(['ref=from-line'], {
        inputsFile: 'inputs.json',
        settings: { repoPath: '/srv', ref: 'from-settings', count: 1 },
        pinned: { token: 'pinned-secret' },
      }),
    )
    expect(result).toEqual({
      ok: true,
      values: { repoPath: '/srv', sub: '/srv/sub', ref: 'from-line', count: 2, token: 'pinned-secret' },
      origins: {
        repoPath: 'settings',
        sub: 'default',
        ref: 'command-line',
        count: 'inputs-file',
        token: 'pinned',
      },
    })
  })

  test('every problem is told at once', async () => {
    writeFileSync(
      join(folder, 'twice.json'),
      '{"ref": "a", "nested": {"ref": "x"}, "ref": "b", "__proto__": 1}',
    )
    const result = await resolveInputs(
      book,
      given(
        [
          'reff=main',
          'count=many',
          'count=2',
          'nothing',
          '=x',
          'token=@missing',
          'sub=relative',
          'constructor=1',
        ],
        {
          inputsFile: 'twice.json',
          pinned: { ref: 'v1' },
        },
      ),
    )
    expect(result.ok).toBe(false)
    if (result.ok) return
    expect(result.problems.map(({ input, problem }) => [input, problem])).toEqual([
      ['ref', 'given-twice'],
      ['count', 'given-twice'],
      ['-i', 'unreadable'],
      ['-i', 'unreadable'],
      ['token', 'unreadable'],
      ['ref', 'pinned'],
      ['nested', 'unknown'],
      ['__proto__', 'unknown'],
      ['reff', 'unknown'],
      ['constructor', 'unknown'],
      ['repoPath', 'missing'],
      ['sub', 'ill-typed'],
      ['count', 'ill-typed'],
    ])
    expect(result.problems.find(each => each.input === 'reff')).toMatchObject({ suggestion: 'ref' })
  })

  test('a pinned value is refused even when it is the right one', async () => {
    const result = await resolveInputs(
      book,
      given(['repoPath=/srv', 'token=same'], { pinned: { token: 'same' } }),
    )
    expect(result).toMatchObject({ ok: false, problems: [{ input: 'token', problem: 'pinned' }] })
  })

  test('files: one trailing line feed is not part of the value, `@@` is a plain @', async () => {
    writeFileSync(join(folder, 'ref'), 'v1.2\n')
    const result = await resolveInputs(book, given(['repoPath=/srv', 'ref=@ref', 'token=@@secret']))
    expect(result).toMatchObject({ ok: true, values: { ref: 'v1.2', token: '@secret' } })
  })

  test.each([
    ['/dev/zero', 'more than 64 KiB'],
    ['.', 'folder'],
    ['nowhere', 'no such file'],
    ['binary', 'not UTF-8'],
  ])('a file that cannot be a value: %s', async (file, detail) => {
    writeFileSync(join(folder, 'binary'), Buffer.from([0xff, 0xfe, 0x41]))
    const result = await resolveInputs(book, given(['repoPath=/srv', `ref=@${file}`]))
    expect(result).toMatchObject({ ok: false, problems: [{ input: 'ref', problem: 'unreadable' }] })
    expect(JSON.stringify(result)).toContain(detail)
  })

  test.each([
    ['[]', 'JSON object'],
    ['{', 'not JSON'],
    [`{"ref": "${'a'.repeat(1024 * 1024)}"}`, 'more than 1024 KiB'],
    [`{"ref": "${'a'.repeat(70 * 1024)}"}`, '64 KiB'],
    ['{"ref": {"__proto__": {"polluted": true}}}', 'not a map'],
  ])('a wrong --inputs file: %.20s', async (text, detail) => {
    writeFileSync(join(folder, 'wrong.json'), text)
    const result = await resolveInputs(book, given(['repoPath=/srv'], { inputsFile: 'wrong.json' }))
    expect(result.ok).toBe(false)
    expect(JSON.stringify(result)).toContain(detail)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('a default that an input makes wrong is told as such', async () => {
    const result = await resolveInputs(
      playbook('a: { type: string }\nb: { type: path, default: "${{ inputs.a }}" }'),
      given(['a=x']),
    )
    expect(result).toMatchObject({
      ok: false,
      problems: [{ input: 'b', detail: expect.stringMatching(/^its default must be/) }],
    })
  })
})

describe('properties', () => {
  const book = playbook('text: { type: string }\nref: { type: ref, default: main }')

  test('what passes passes as it is, and is never read as a template', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constant('${{ inputs.ref }}')),
        async text => {
          const argument = `text=${text.startsWith('@') ? '@' : ''}${text}`
          const result = await resolveInputs(book, given([argument]))
          if (!result.ok) return
          expect(result.values['text']).toBe(text)
          const known = { types: expressionTypes(book), inputs: result.values, steps: {}, run: {}, env: {} }
          expect(evaluate({ $text: ['<', { $expr: 'inputs.text' }, '>'] }, known, 'x')).toBe(`<${text}>`)
        },
      ),
    )
  })

  test('no ref that passes is one that git could take for an option or a revision expression', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('-', 'a', '/', '.', '~', '^', '@', '{', ' ', '\n', 'lock', ':') }),
        text => {
          if (!inputFromText({ type: 'ref' }, text).ok) return
          expect(text).not.toMatch(/^-|[\s~^:]|\.\.|@\{|\.lock(\/|$)|\/\/|^\/|\/$|\.$|^$/)
        },
      ),
    )
  })

  test('any JSON as a value is accepted unchanged or refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async value => {
        const json = value as Json
        const result = await resolveInputs(book, given([], { settings: { text: json } }))
        if (result.ok) expect(result.values['text']).toBe(json)
        else expect(result.problems).toHaveLength(1)
      }),
    )
  })
})
