import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failed } from '../../src/failure.ts'
import { checkExpression, dependencies, type Scope } from '../../src/playbook/expression.ts'
import type { Template } from '../../src/playbook/playbook.ts'
import type { ExpressionTypes } from '../../src/playbook/reference.ts'
import { evaluate, resolveTemplate } from '../../src/playbook/resolve.ts'
import { parseTemplate } from '../../src/playbook/template.ts'

const types: ExpressionTypes = {
  inputs: {
    ref: { type: 'ref', nullable: false },
    count: { type: 'integer', nullable: false },
    ratio: { type: 'number', nullable: false },
    on: { type: 'boolean', nullable: false },
    tag: { type: 'string', nullable: true },
    max: { type: 'integer', nullable: true },
    token: { type: 'secret', nullable: false },
  },
  steps: {
    git: { outputs: { fetch: 'string' }, nullable: false },
    'git.fetch': { outputs: { sha: 'string', commits: 'int' }, nullable: false },
    'git.fetch-2': { outputs: { sha: 'string' }, nullable: true },
    get: { outputs: { json: 'map', body: 'string', items: 'list' }, nullable: false },
  },
  env: ['HOME', 'UNSET'],
}

const known: Scope = {
  types,
  inputs: { ref: 'main', count: 3, ratio: 2, on: true, tag: null, max: 7, token: 's3cret' },
  steps: {
    git: { fetch: 'from-git' },
    'git.fetch': { sha: 'abc', commits: 12 },
    get: { json: { commit: 'abc', constructor: 1, n: 2, list: [1, 2.5] }, body: 'hi', items: [1, 2, 3] },
    'git.fetch-2': {},
  },
  run: { id: 'r1', target: 'local' },
  env: { HOME: '/root' },
}

function template(text: string): Template {
  const parsed = parseTemplate(text)
  if (!parsed.ok) throw new Error(parsed.problem)
  return parsed.template
}

describe('values', () => {
  test.each([
    ['${{ inputs.ref }}', 'main'],
    ['${{ inputs.count }}', 3],
    ['${{ inputs.count + 1 }}', 4],
    ['${{ inputs.ratio * 1.5 }}', 3],
    ['${{ inputs.ratio }}', 2],
    ['${{ inputs.on ? "rollback" : "stop" }}', 'rollback'],
    ["${{ inputs.on ? 'rollback' : 'stop' }}", 'rollback'],
    ['${{ inputs.tag }}', null],
    ['${{ inputs.tag == null ? "none" : inputs.tag }}', 'none'],
    ['${{ inputs.max + 1 }}', 8],
    ['${{ inputs["ref"] }}', 'main'],
    ['${{ steps["git.fetch"].sha }}', 'abc'],
    ['${{ steps.git.fetch.sha }}', 'abc'],
    ['${{ steps.git.fetch.commits > 10 }}', true],
    ['${{ steps["git"].fetch }}', 'from-git'],
    ['${{ steps["git.fetch-2"].sha }}', null],
    ['${{ steps["git.fetch-2"].sha != null }}', false],
    ['${{ steps.get.json.commit }}', 'abc'],
    ['${{ steps.get.json["constructor"] }}', 1],
    ['${{ steps.get.json }}', { commit: 'abc', constructor: 1, n: 2, list: [1, 2.5] }],
    ['${{ has(steps.get.json.nothing) }}', false],
    ['${{ steps.get.items.map(i, i * 2) }}', [2, 4, 6]],
    ['${{ steps.get.items.exists(i, i == inputs.count) }}', true],
    ['${{ cel.bind(x, inputs.count, x + x) }}', 6],
    ['${{ run.id + "/" + run.target }}', 'r1/local'],
    ['${{ env.HOME }}', '/root'],
    ['${{ env.UNSET == null }}', true],
    ['${{ {"a": {"b": inputs.count}} }}', { a: { b: 3 } }],
    ['a ${{ inputs.ref }} b ${{ inputs.count }}', 'a main b 3'],
    ['${{ inputs.ratio }}x', '2x'],
    ['$${{ inputs.ref }}', '${{ inputs.ref }}'],
    ['$$${{ x', '$${{ x'],
    ['a $${{ b }} ${{ inputs.ref }}', 'a ${{ b }} main'],
    ['${{ "}}" + inputs.ref }}', '}}main'],
    ["${{ 'it''s' == '' ? 1 : 2 }}", 'unparsable'],
    ['plain $ { { text', 'plain $ { { text'],
  ])('%s', (text, value) => {
    if (value === 'unparsable') expect(() => evaluate(template(text), known, 'here')).toThrow(Failed)
    else expect(evaluate(template(text), known, 'here')).toEqual(value)
  })

  test.each([
    ['${{ inputs.tag }} in text', 'no value'],
    ['${{ steps.get.json }} in text', 'list or map'],
    ['${{ 9223372036854775807 }}', 'beyond the whole numbers'],
    ['${{ 1.0 / 0.0 }}', 'not a finite number'],
    ['${{ 1 / 0 }}', 'division by zero'],
    ['${{ {"$expr": inputs.ref} }}', '$expr'],
    ['${{ timestamp("2020-01-01T00:00:00Z") }}', 'neither text'],
    ['${{ steps.get.json.nothing }}', 'No such key'],
  ])('%s is refused', (text, problem) => {
    try {
      evaluate(template(text), known, 'here')
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(Failed)
      expect((error as Failed).failure).toMatchObject({ code: 'expression-failed', where: 'here' })
      expect(JSON.stringify((error as Failed).failure).toLowerCase()).toContain(problem.toLowerCase())
    }
  })
})

describe('checking', () => {
  test.each([
    ['inputs.ref', 'string'],
    ['inputs.count', 'int'],
    ['inputs.ratio', 'double'],
    ['inputs.on', 'bool'],
    ['inputs.tag', 'dyn'],
    ['steps.get.items', 'list'],
    ['steps.get.json', 'map'],
    ['inputs.on && inputs.count > 2', 'bool'],
  ])('%s is %s', (source, type) => {
    expect(checkExpression(source, types)).toMatchObject({ ok: true, type })
  })

  test.each([
    ['inputs.reff', [7, 11], 'no input is called `reff`', 'ref'],
    ['"a" + inputs.cuont', [13, 18], 'no input', 'count'],
    ['steps.gti.fetch.sha', [6, 15], 'no step is called `gti.fetch`', 'git.fetch'],
    ['steps["git.fetch"].shaa', [19, 23], 'has no output `shaa`', 'sha'],
    ['steps["git.fetch"]', [6, 17], 'name an output', undefined],
    ['inputs.toString', [7, 15], 'no input is called `toString`', undefined],
    ['run.name', [4, 8], '`run` has no `name`', undefined],
    ['env.PATH', [4, 8], 'not listed under `env:`', undefined],
    ['input.ref', [0, 5], 'nothing is called `input`', 'inputs'],
    ['ref == "x"', [0, 3], 'nothing is called `ref`', 'inputs.ref'],
    ['inputs', [0, 6], 'cannot be used as a whole', undefined],
    ['inputs["re" + "f"]', [0, 6], 'cannot be used as a whole', undefined],
    ['steps[inputs.ref].sha', [0, 5], 'cannot be used as a whole', undefined],
    ['has(inputs.tag)', [4, 14], 'has()', undefined],
    ['[1].map(inputs, inputs)', [8, 14], 'cannot be the name of a variable', undefined],
    ['[1].map(_s0, _s0)', [8, 11], 'cannot be the name of a variable', undefined],
    ['_s0', [0, 3], 'nothing is called `_s0`', undefined],
    ['(inputs).ref', [1, 12], 'without parentheses', undefined],
    ['{"__proto__": 1}', [1, 12], 'cannot have this key', undefined],
    ['inputs.count + "a"', [0, 18], 'no such overload', undefined],
    ['inputs.count +', [13, 14], 'ends too early', undefined],
    ['inputs.ref ? 1 : 2', [0, 10], 'must be bool', undefined],
    ['foo(1)', [0, 6], 'found no matching overload', undefined],
    ['"abc', [0, 4], 'unterminated string', undefined],
  ])('%s: the mistake is at %j', (source, [start, end], message, suggestion) => {
    const checked = checkExpression(source, types)
    expect(checked.ok).toBe(false)
    if (checked.ok) return
    expect(checked.problems[0]).toMatchObject({ start, end, ...(suggestion ? { suggestion } : {}) })
    expect(checked.problems[0]!.message).toContain(message)
  })

  test('all wrong names of one expression are told', () => {
    const checked = checkExpression('inputs.a == steps.b.c && env.D', types)
    expect(checked).toMatchObject({ ok: false, problems: { length: 3 } })
  })

  test('deeply nested and very long expressions are refused, not crashed on', () => {
    for (const source of ['('.repeat(2_000), '['.repeat(500), '1+'.repeat(2_000), `"${'a'.repeat(5_000)}"`]) {
      expect(checkExpression(source, types).ok).toBe(false)
    }
  })
})

describe('partial evaluation', () => {
  const planning: Scope = {
    types,
    inputs: { ref: 'main', count: 3, ratio: 2, on: true, tag: null, max: 7 },
    steps: {},
    run: { target: 'local' },
    env: known.env,
  }

  test('what depends on steps, the run id or a secret stays', () => {
    const value = {
      a: template('${{ inputs.ref }}'),
      b: template('${{ steps.git.fetch.sha }}'),
      c: template('${{ inputs.ref }}-${{ run.id }}-${{ inputs.count }}'),
      d: [template('x ${{ inputs.token }}')],
    }
    const resolved = resolveTemplate(value, planning, 'with')
    expect(resolved).toEqual({
      a: 'main',
      b: { $expr: 'steps.git.fetch.sha' },
      c: { $text: ['main-', { $expr: 'run.id' }, '-3'] },
      d: [{ $text: ['x ', { $expr: 'inputs.token' }] }],
    })
    expect(evaluate(JSON.parse(JSON.stringify(resolved)), known, 'with')).toEqual({
      a: 'main',
      b: 'abc',
      c: 'main-r1-3',
      d: ['x s3cret'],
    })
  })

  test('dependencies', () => {
    expect(dependencies([template('${{ inputs.ref + env.HOME }} ${{ inputs.token }}')], types)).toEqual({
      inputs: ['ref', 'token'],
      steps: [],
      run: [],
      env: ['HOME'],
      secrets: ['token'],
    })
    expect(dependencies(template('${{ steps.git.fetch.sha + run.id }}'), types)).toMatchObject({
      steps: ['git.fetch'],
      run: ['id'],
    })
  })
})

describe('properties', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('${{ inputs.token }}', '$${{', '{"$expr":"inputs.token"}', '${{', '}}', '$(id)'),
  )

  test('no text of an input is ever read as a template', () => {
    fc.assert(
      fc.property(
        hostile,
        fc.constantFrom('${{ inputs.ref }}', 'a${{ inputs.ref }}', '${{ [inputs.ref] }}'),
        (text, use) => {
          const scope = { ...known, inputs: { ...known.inputs, ref: text } }
          const once = resolveTemplate(template(use), scope, 'x')
          expect(resolveTemplate(once, scope, 'x')).toEqual(once)
          expect(JSON.stringify(once)).not.toContain('s3cret')
          expect(once).toEqual(use.startsWith('a') ? `a${text}` : use.includes('[') ? [text] : text)
        },
      ),
    )
  })

  test('a whole expression keeps the value and its type', () => {
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeInteger(), fc.string(), fc.boolean(), fc.constant(null)), value => {
        const scope = { ...known, inputs: { ...known.inputs, tag: value } }
        expect(evaluate(template('${{ inputs.tag }}'), scope, 'x')).toBe(value)
      }),
    )
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), value => {
        const scope = { ...known, inputs: { ...known.inputs, ratio: value } }
        expect(evaluate(template('${{ inputs.ratio }}'), scope, 'x')).toBe(value)
      }),
    )
  })

  test('any JSON comes back from a step output as it was', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), json => {
        const value = JSON.parse(JSON.stringify(json))
        if (JSON.stringify(value).match(/"\$(expr|text)":/)) return
        const scope: Scope = { ...known, steps: { ...known.steps, get: { json: value } } }
        const back = evaluate(template('${{ steps.get.json }}'), scope, 'x')
        expect(JSON.stringify(back)).toBe(JSON.stringify(value))
      }),
    )
  })

  test('parsing templates never throws, and text without `${{` is itself', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        const parsed = parseTemplate(text)
        if (!text.includes('${{')) expect(parsed).toMatchObject({ ok: true, template: text })
      }),
    )
  })
})

describe('what takes long', () => {
  const of = (ref: string, source: string) =>
    evaluate({ $expr: source }, { ...known, inputs: { ...known.inputs, ref } }, 'here')

  test('answers', () => {
    expect(of('v1.2', 'inputs.ref.matches("^v[0-9]+")')).toBe(true)
    expect(of('x', 'inputs.ref.matches("^v[0-9]+")')).toBe(false)
    expect(of('ab', '[inputs.ref].map(x, x + "c").filter(x, x.matches("c$"))')).toEqual(['abc'])
    expect(() => of('x', 'inputs.ref.matches("(")')).toThrow(Failed)
  })

  const nested = '[1,2,3,4,5,6,7,8,9].map(x, '.repeat(8)
  test.each([
    ['its pattern backtracks for ever', 'inputs.ref.matches("(a+)+$")'],
    ['it goes through lists within lists', `${nested}inputs.ref${')'.repeat(8)}.size()`],
  ])('gives up where %s', (_, source) => {
    const hostile = `${'a'.repeat(60)}!`
    let failure: unknown
    try {
      of(hostile, source)
    } catch (error) {
      failure = (error as Failed).failure
    }
    expect(failure).toMatchObject({
      code: 'expression-failed',
      problem: expect.stringContaining('within 1 s'),
    })
  })
})

describe('a bare reference, which is read without CEL', () => {
  const name = fc.constantFrom(
    ...[
      'ref',
      'count',
      'ratio',
      'on',
      'tag',
      'max',
      'nope',
      'in',
      'true',
      'null',
      'as',
      '_x',
      '2x',
      'HOME',
      'id',
    ],
    ...[
      'git',
      'fetch',
      'fetch-2',
      'sha',
      'commits',
      'get',
      'json',
      'items',
      'commit',
      'constructor',
      'git.fetch',
    ],
  )
  const part = fc.oneof(
    name.map(each => `.${each}`),
    name.map(each => `["${each}"]`),
  )
  const root = fc.constantFrom('inputs', 'steps', 'run', 'env', 'else')
  const source = fc
    .tuple(root, fc.array(part, { maxLength: 4 }))
    .map(([first, rest]) => first + rest.join(''))
  const outcome = (work: () => unknown) => {
    try {
      return work()
    } catch (error) {
      return error instanceof Failed ? { ...error.failure, expression: '' } : error
    }
  }

  test('is what CEL makes of it', () => {
    fc.assert(
      fc.property(source, text => {
        // A blank at its end is enough to go through CEL.
        expect(checkExpression(text, types)).toEqual(checkExpression(`${text} `, types))
        const value = (each: string) => outcome(() => evaluate({ $expr: each }, known, 'here'))
        expect(value(text)).toEqual(value(`${text} `))
      }),
      { numRuns: 2000 },
    )
  })
})
