/** What gets into a hole, where a hole may stand, and what a template matches. */
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fillsHole, type Hole, printHole } from '../../../src/hostlink/daemon/policy/holes.ts'
import { match, parseWord, printWord, type Word } from '../../../src/hostlink/daemon/policy/template.ts'

const ROOT = '/srv/x'
const KINDS = ['name', 'ref', 'sha', 'int', 'path'] as const
const holeOf = (kind: (typeof KINDS)[number]): Hole => (kind === 'path' ? { kind, root: ROOT } : { kind })
const HOLES = KINDS.map(holeOf)

const good: Record<(typeof KINDS)[number], fc.Arbitrary<string>> = {
  name: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_-]{0,20}$/),
  ref: fc
    .stringMatching(/^[A-Za-z0-9_]{1,5}(\/[A-Za-z0-9_]{1,5}(\.[A-Za-z0-9]{1,2})?){0,3}$/)
    .filter(text => !/\.lock(\/|$)/.test(text)),
  sha: fc.stringMatching(/^([0-9a-f]{40}|[0-9a-f]{64})$/),
  int: fc.nat({ max: 999_999_999 }).map(String),
  path: fc.stringMatching(/^(\/[A-Za-z0-9_][A-Za-z0-9_.-]{0,5}){1,4}$/).map(text => ROOT + text),
}
/** Texts that look like what they are not, and any others. */
const pieces = fc.constantFrom(
  '-',
  '--',
  '+',
  ':',
  '..',
  '.',
  '/',
  '//',
  '@{',
  '^',
  '~',
  '*',
  '?',
  '[',
  '\\',
  '\0',
  '\n',
  '\x7f',
  '\u200b',
  '\u202e',
  ' ',
  '=',
  ',',
  '$(id)',
  'a',
  'x1',
  'main',
  ROOT,
  '.lock',
  'ext::',
)
const hostile = fc.oneof(
  fc.array(pieces, { maxLength: 6 }).map(parts => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.tuple(fc.oneof(...Object.values(good)), pieces).map(([text, piece]) => text + piece),
  fc.tuple(pieces, fc.oneof(...Object.values(good))).map(([piece, text]) => piece + text),
  fc.oneof(...Object.values(good)),
)

describe('no text that is an option, a range, magic or a way out fills a hole', () => {
  test('of any kind', () => {
    let filled = 0
    fc.assert(
      fc.property(fc.constantFrom(...HOLES), hostile, (hole, text) => {
        if (!fillsHole(hole, text)) return
        filled += 1
        expect(text).not.toMatch(/^[-+:.~]|:|[\p{C}\p{Z}*?[\]\\^~{}$=,;&|<>"'`!#%()]/u)
        expect(text.split('/')).not.toContain('..')
        expect(text).not.toContain('//')
        if (hole.kind === 'path') expect(text.startsWith(`${ROOT}/`) && !text.endsWith('/')).toBe(true)
        else expect(text).not.toMatch(/^\/|\.\./)
        if (hole.kind !== 'path' && hole.kind !== 'ref') expect(text).not.toContain('/')
      }),
      { numRuns: 20_000 },
    )
    expect(filled).toBeGreaterThan(1000)
  })

  test('what is meant for a hole fills it', () => {
    for (const kind of KINDS)
      fc.assert(
        fc.property(good[kind], text => {
          expect([text, fillsHole(holeOf(kind), text)]).toEqual([text, true])
        }),
      )
  })

  test.each([
    ['name', ['', '-a', 'a/b', 'a.', 'a..b', 'a b', 'a\n', 'a:b', '.a', 'ä', 'x'.repeat(129)]],
    [
      'ref',
      [
        '',
        '-a',
        '/a',
        'a/',
        'a//b',
        'a/.b',
        'a/-b',
        'a..b',
        'a.lock',
        'a.lock/b',
        'a@{1}',
        'a^',
        'a~1',
        'a:b',
        '+a',
        ':a',
        '@',
        'a\\b',
        'a b',
        'a*',
      ],
    ],
    ['sha', ['', 'abcdef1', 'A'.repeat(40), 'a'.repeat(41), `${'a'.repeat(40)}\n`]],
    ['int', ['', '-1', '+1', '01', '1e3', '0x1', '1.5', '1234567890', '1\n', '١']],
    [
      'path',
      [
        '',
        ROOT,
        `${ROOT}/`,
        `${ROOT}y/a`,
        `${ROOT}/../a`,
        `${ROOT}/a/..`,
        `${ROOT}/./a`,
        `${ROOT}//a`,
        `${ROOT}/a:b`,
        `${ROOT}/a b`,
        `${ROOT}/*`,
        'a',
        `${ROOT}/a\n`,
        `${ROOT}/\u200b`,
      ],
    ],
  ] as const)('%s takes none of these', (kind, texts) => {
    expect(texts.filter(text => fillsHole(holeOf(kind), text))).toEqual([])
  })

  test('git itself takes every ref for a plain one', () => {
    const refs = fc.sample(fc.oneof(good.ref, hostile), 3000).filter(text => fillsHole({ kind: 'ref' }, text))
    expect(refs.length).toBeGreaterThan(100)
    for (const ref of refs.slice(0, 150))
      expect([ref, spawnSync('git', ['check-ref-format', `refs/heads/${ref}`]).status]).toEqual([ref, 0])
  })

  test('a hostile argument of megabytes costs no time', () => {
    const began = performance.now()
    for (const hole of HOLES)
      for (const text of ['a'.repeat(2_000_000), '/a'.repeat(1_000_000), `${ROOT}${'/.'.repeat(1_000_000)}`])
        expect(fillsHole(hole, text)).toBe(false)
    expect(performance.now() - began).toBeLessThan(2000)
  })
})

const word = (text: string): Word => {
  const parsed = parseWord(text)
  if ('fault' in parsed) throw new Error(`${text}: ${parsed.fault.reason}`)
  return parsed.word
}

describe('where a hole may be part of a word', () => {
  test.each([
    'refs/tags/{name}',
    'refs/heads/{ref}',
    'origin/{ref}',
    '--tail={int}',
    '--since={int}.days',
    '--format=json/{name}',
    'openclaw-{name}.service',
    'http://127.0.0.1:18789/{name}',
    '--url=https://registry.example/v2/{name}/tags',
    'registry.example/app:{name}',
    '--file={path:/srv/x/**}',
    'if={path:/srv/x/**}',
    '-f={path:/srv/x/**}',
    'v{int}',
    'name={name}',
  ])('%s', text => {
    expect(printWord(word(text))).toBe(text)
  })

  test.each([
    ['-{name}', 'the caller would choose the option'],
    ['--{name}', 'the caller would choose the option'],
    ['--{name}=x', 'the caller would choose the option'],
    ['-n{int}', 'the caller would choose the option'],
    ['-f{path:/srv/x/**}', 'the hole of a path is a whole word'],
    ['{path:/srv/x/**}:/data', 'the hole of a path is a whole word'],
    ['{path:/srv/x/**}/y', 'the hole of a path is a whole word'],
    ['/srv/{name}', 'paths are followed through links'],
    ['--file=/srv/{name}', 'paths are followed through links'],
    ['~/{name}', '~ in front of a hole'],
    [':{name}', ': in front of a hole'],
    ['+refs/heads/{ref}', '+ in front of a hole'],
    ['@{name}', '@ in front of a hole'],
    ['../{name}', '.. leads out'],
    ['a/../{name}', '.. leads out'],
    ['--file=../{name}', '.. leads out'],
    ['{name}/..', '.. leads out'],
    ['{name}/../x', '.. leads out'],
    ['http://{name}/x', 'the caller would choose the host'],
    ['http://127.0.0.1{name}/x', 'the caller would choose the host'],
    ['http://127.0.0.1:{int}/x', 'the caller would choose the host'],
    ['{name}://x/y', '://x/y behind a hole'],
    ['{name}:x', ':x behind a hole'],
    ['{ref}:refs/heads/x', ':refs/heads/x behind a hole'],
    ['{ref}..main', '..main behind a hole'],
    ['{ref}^', '^ behind a hole'],
    ['{name}{int}', 'has two holes'],
    ['{ref}..{ref}', 'has two holes'],
    ['{path}', 'the path of a hole is not an absolute folder'],
    ['{path:/srv/x}', 'the path of a hole is not an absolute folder'],
    ['{path:/**}', 'the path of a hole is not an absolute folder'],
    ['{path:srv/**}', 'the path of a hole is not an absolute folder'],
    ['{path:/srv/../etc/**}', 'the path of a hole is not an absolute folder'],
    ['{path:/srv/*/x/**}', 'the path of a hole is not an absolute folder'],
    ['{nmae}', '{nmae} is not a hole'],
    ['{name:x}', '{name} is not a hole'],
    ['{any}', '{any} is not a hole'],
  ])('not %s', (text, reason) => {
    expect(parseWord(text)).toEqual({
      fault: expect.objectContaining({ reason: expect.stringContaining(reason) }),
    })
  })

  test.each(['{{.Names}}', '{{json .}}', '{{name}}', '{"a":1}', '{}', 'a{1..3}', '{a,b}'])(
    '%s is no hole at all',
    text => {
      expect(parseWord(text)).toEqual({ word: { literal: text } })
    },
  )
})

describe('a template', () => {
  const literal = fc.stringMatching(/^[a-z-]{1,8}$/).map(text => ({ word: { literal: text }, text }))
  const hole = fc
    .tuple(fc.constantFrom(...KINDS), fc.constantFrom('', '--x=', 'v'), fc.constantFrom('', '.y'))
    .chain(([kind, before, after]) => {
      const around = kind === 'path' ? { before: before === 'v' ? '' : before, after: '' } : { before, after }
      const whole: Word = { ...around, hole: holeOf(kind) }
      return good[kind].map(value => ({ word: whole, text: around.before + value + around.after }))
    })
  const made = fc.array(fc.oneof(literal, hole), { minLength: 1, maxLength: 6 })

  test('matches each of its own expansions, and gives the values', () => {
    fc.assert(
      fc.property(made, words => {
        const template = words.map(each => each.word)
        expect(template.map(each => word(printWord(each)))).toEqual(template)
        const filled = match(
          template,
          words.map(each => each.text),
        )
        expect(filled?.length).toBe(template.filter(each => 'hole' in each).length)
      }),
    )
  })

  test('matches nothing else: what is matched is spelled by the template and by texts that fill its holes', () => {
    const change = fc.tuple(fc.nat(), fc.constantFrom('replace', 'insert', 'remove', 'append'), hostile)
    let changed = 0
    fc.assert(
      fc.property(made, change, (words, [at, how, text]) => {
        const template = words.map(each => each.word)
        const argv = words.map(each => each.text)
        const index = at % argv.length
        if (how === 'replace') argv[index] = text
        else if (how === 'append') argv[index] += text
        else argv.splice(index, how === 'remove' ? 1 : 0, ...(how === 'remove' ? [] : [text]))
        const filled = match(template, argv)
        if (filled === null) {
          changed += 1
          return
        }
        expect(argv).toHaveLength(template.length)
        for (const [position, each] of template.entries()) {
          const value = filled.find(one => one.index === position)?.value
          expect(argv[position]).toBe('hole' in each ? each.before + value + each.after : each.literal)
          if ('hole' in each) expect([printHole(each.hole), fillsHole(each.hole, value!)]).toContain(true)
        }
      }),
      { numRuns: 5000 },
    )
    expect(changed).toBeGreaterThan(1000)
  })
})
