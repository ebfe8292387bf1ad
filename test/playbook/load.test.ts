import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { renderDiagnostics } from '../../src/document/print-diagnostics.ts'
import { loadPlaybook } from '../../src/playbook/load.ts'
import { kinds } from '../../src/steps/index.ts'
import { fixtureKinds } from '../diagnostics/kinds.ts'

const load = (text: string | Buffer) => loadPlaybook(text, 'x.yaml', fixtureKinds)
const shipped = new URL('../../playbooks/upgrade-openclaw.yaml', import.meta.url)

function loaded(text: string) {
  const result = load(text)
  if (!result.ok) throw new Error(renderDiagnostics(result.diagnostics, 'text'))
  return result.playbook
}

test('the shipped upgrade is what the contract shows', () => {
  const result = loadPlaybook(readFileSync(shipped), 'upgrade-openclaw.yaml', kinds)
  expect(result).toMatchObject({ ok: true, warnings: [] })
  if (!result.ok) return
  const { playbook } = result
  expect(playbook).toMatchObject({
    name: 'upgrade-openclaw',
    timeoutMs: 1_800_000,
    rollbackTimeoutMs: 900_000,
  })
  expect(playbook.onFailure).toEqual({ $expr: "inputs.rollbackOnFailure ? 'rollback' : 'stop'" })
  expect(playbook.steps.map(step => step.id)).toEqual([
    'git.dirty-check',
    'git.fetch',
    'compose.guard',
    'git.checkout',
    'compose.build',
    'image.build',
    'env.set',
    'compose.pull',
    'files.snapshot',
    'compose.up',
    'health.poll',
  ])
  expect(playbook.steps[1]!.with).toEqual({ repo: { $expr: 'inputs.repoPath' } })
  expect(playbook.steps[4]!.with).toEqual({
    dir: { $expr: 'inputs.composePath' },
    services: [{ $expr: 'inputs.serviceName' }],
  })
  expect(playbook.digest).toMatch(/^[0-9a-f]{64}$/)
})

test('ids are given, or made from the kind and numbered around given ones', () => {
  const playbook = loaded(`hostops: 1
name: ids
defaults: { repo: /srv }
steps:
  - uses: git.fetch
  - uses: git.fetch
  - { uses: git.fetch, id: git.fetch-3 }
  - uses: git.fetch
  - run: [a]
  - run: [b]
  - script: c
`)
  expect(playbook.steps.map(step => step.id)).toEqual([
    'git.fetch',
    'git.fetch-2',
    'git.fetch-3',
    'git.fetch-4',
    'run',
    'run-2',
    'script',
  ])
})

test('short forms are the kinds `command` and `script` in other words', () => {
  const playbook = loaded(`hostops: 1
name: forms
defaults: { effect: read }
steps:
  - run: [make, all]
    undo: [make, clean]
    reactivate: true
  - script: echo
    shell: bash
    effect: disrupt
    undo: { script: "echo x", shell: sh }
`)
  expect(playbook.steps.map(step => [step.kind.uses, step.with])).toEqual([
    ['command', { argv: ['make', 'all'], undo: ['make', 'clean'], reactivate: true, effect: 'read' }],
    ['script', { script: 'echo', shell: 'bash', effect: 'disrupt', undo: { script: 'echo x', shell: 'sh' } }],
  ])
})

test('`when` is an expression with or without ${{ }}, or plain true or false', () => {
  const playbook = loaded(`hostops: 1
name: when
inputs: { on: { type: boolean } }
steps:
  - { run: [a], when: inputs.on }
  - { run: [a], when: "\${{ inputs.on }}" }
  - { run: [a], when: false }
  - { run: [a] }
`)
  const when = playbook.steps.map(step => step.when)
  expect(when).toEqual([{ $expr: 'inputs.on' }, { $expr: 'inputs.on' }, { $expr: 'false' }, undefined])
})

describe('hostile files end in a diagnostic, never in a stack trace', () => {
  const head = 'hostops: 1\nname: x\nsteps:\n'
  test.each([
    ['10 MB', Buffer.alloc(10 * 1024 * 1024, 'a')],
    ['1 MiB of brackets', '['.repeat(1024 * 1024)],
    ['1 MiB of braces', '{a: '.repeat(256 * 1024)],
    ['deep lists', `${head}  - run: ${'['.repeat(5000)}${']'.repeat(5000)}`],
    ['deep indentation', Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    [
      'a billion laughs',
      `a: &a [x, x]\n${'bcdefghij'
        .split('')
        .map((c, i) => `${c}: &${c} [${`*${'abcdefghi'[i]},`.repeat(9)}]`)
        .join('\n')}`,
    ],
    ['many duplicate keys', `${head}  - run: [a]\n${'name: x\n'.repeat(20_000)}`],
    [
      'many unknown keys',
      `${head}  - run: [a]\n${Array.from({ length: 20_000 }, (_, i) => `key${i}: x`).join('\n')}`,
    ],
    ['many mistakes', `${head}${'  - uses: git.fetsh\n'.repeat(2_000)}`],
    ['many expressions', `${head}  - run: [a, "${'${{ inputs.x }}'.repeat(20_000)}"]`],
    ['a long expression', `${head}  - run: [a, "\${{ ${'1+'.repeat(100_000)}1 }}"]`],
    ['an open expression', `${head}  - run: [a, "${'${{ '.repeat(100_000)}"]`],
    ['a long key', `${'k'.repeat(500_000)}: 1`],
    ['control bytes', '\u0001\u0002\u0003'],
    ['only a mark', '\ufeff'],
    [
      '__proto__',
      'hostops: 1\nname: x\n__proto__: { polluted: true }\nsteps: [{ run: [a], __proto__: { id: x } }]',
    ],
  ])('%s', (_, text) => {
    const started = performance.now()
    const result = load(text)
    expect(result.ok).toBe(false)
    if (!result.ok) expect(renderDiagnostics(result.diagnostics, 'text')).toContain('x.yaml:')
    expect(performance.now() - started).toBeLessThan(15_000)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  test('of a file that is too large only that is told: how large it is nobody has read', () => {
    const result = load(Buffer.alloc(1024 * 1024 + 1, 'a'))
    expect(result).toMatchObject({ ok: false, diagnostics: [{ message: 'the file is larger than 1 MiB' }] })
  })

  const words = fc.constantFrom(
    'hostops: 1\n',
    'name: x\n',
    'steps:\n',
    '  - ',
    'run: [a]\n',
    'uses: git.fetch\n',
    '    with: { repo: /srv }\n',
    '${{ inputs.a }}',
    '&a ',
    '*a',
    '!!str ',
    '"',
    "'",
    '[',
    ']',
    '{',
    '}',
    ': ',
    '\n',
    '  ',
    '\t',
    '|\n',
    '>\n',
    '? ',
    '---\n',
    '...\n',
    '#',
    '%YAML 1.1\n',
    '<<',
    '-',
    'when: ',
    'inputs:\n',
    '  a: { type: string }\n',
    'defaults:\n',
    'null',
    '~',
    '1',
    'true',
    'id: x\n',
    '\u0000',
    '\r\n',
    'é',
    '🎉',
  )

  test('any order of YAML’s parts', () => {
    fc.assert(
      fc.property(fc.array(words, { maxLength: 40 }), parts => {
        const result = load(parts.join(''))
        const diagnostics = result.ok ? result.warnings : result.diagnostics
        if (!result.ok) expect(diagnostics.length).toBeGreaterThan(0)
        for (const format of ['text', 'json', 'github'] as const) renderDiagnostics(diagnostics, format)
      }),
      { numRuns: 400 },
    )
  })

  test('a valid playbook with any piece taken out or doubled', () => {
    const text = readFileSync(shipped, 'utf8')
    fc.assert(
      fc.property(
        fc.nat(text.length),
        fc.nat(30),
        fc.constantFrom('', '\t', '"', '${{', ': ', '- ', '&a ', '}'),
        (at, length, put) => {
          const result = loadPlaybook(text.slice(0, at) + put + text.slice(at + length), 'x.yaml', kinds)
          if (!result.ok)
            expect(renderDiagnostics(result.diagnostics, 'text')).toMatch(/^x\.yaml:\d+:\d+: error: /)
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('rendering', () => {
  const result = load(
    'hostops: 1\nname: x\nsteps:\n  - uses: git.fetsh\n  - { id: a, run: [a] }\n  - { id: a, run: [a] }\n',
  )
  const diagnostics = result.ok ? [] : result.diagnostics

  test('github annotations name file, lines and columns, escaped', () => {
    expect(renderDiagnostics(diagnostics, 'github')).toBe(
      [
        '::error file=x.yaml,line=4,col=11,endLine=4,endColumn=20,title=hostops::there is no step kind `git.fetsh`%0Ahint: did you mean `git.fetch`?',
        '::error file=x.yaml,line=6,col=11,endLine=6,endColumn=12,title=hostops::two steps have the id `a`%0Ax.yaml:5:11: first here',
        '',
      ].join('\n'),
    )
    const odd = diagnostics.map(each => ({ ...each, file: 'a,b:c%\n.yaml', message: '50%\r\n' }))
    expect(renderDiagnostics(odd.slice(0, 1), 'github')).toContain('file=a%2Cb%3Ac%25%0A.yaml,')
    expect(renderDiagnostics(odd.slice(0, 1), 'github')).toContain('::50%25%0D%0A')
  })

  test('a github annotation of several lines has no columns that GitHub refuses; a warning is one', () => {
    const { hint: _hint, ...one } = diagnostics[0]!
    const long = { ...one, severity: 'warning' as const, end: { line: 6, column: 2 } }
    expect(renderDiagnostics([long], 'github')).toBe(
      '::warning file=x.yaml,line=4,col=11,endLine=6,title=hostops::there is no step kind `git.fetsh`\n',
    )
  })

  test('json holds everything', () => {
    expect(JSON.parse(renderDiagnostics(diagnostics, 'json')).diagnostics[0]).toEqual({
      file: 'x.yaml',
      start: { line: 4, column: 11 },
      end: { line: 4, column: 20 },
      text: '  - uses: git.fetsh',
      severity: 'error',
      code: 'unknown-kind',
      message: 'there is no step kind `git.fetsh`',
      hint: 'did you mean `git.fetch`?',
      related: [],
    })
  })

  test('colour only when asked for, and no escape of the file’s own reaches the terminal', () => {
    expect(renderDiagnostics(diagnostics, 'text', true)).toContain('\u001b[')
    const hostile = load('hostops: 1\nname: x\n"\u001b[2Jkey\u009b": 1\nsteps: [{ run: [a] }]\n')
    expect(hostile.ok).toBe(false)
    if (!hostile.ok) expect(renderDiagnostics(hostile.diagnostics, 'text')).not.toMatch(/[\u001b\u009b]/)
  })
})
