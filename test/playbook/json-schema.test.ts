/** The generated schemas are current, valid themselves, and accept what we ship. `UPDATE=1` writes them anew. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Ajv, type ValidateFunction } from 'ajv'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { documentSchema, playbookJsonSchema, settingsJsonSchema } from '../../src/playbook/json-schema.ts'
import { loadPlaybook } from '../../src/playbook/load.ts'
import { reportSchema } from '../../src/report/report-schema.ts'
import { journalEntrySchema } from '../../src/runs/journal-schema.ts'
import { kinds } from '../../src/steps/index.ts'

const root = new URL('../../', import.meta.url)

const documents = {
  'schemas/playbook.schema.json': () => playbookJsonSchema(kinds),
  'schemas/config.schema.json': () => settingsJsonSchema(),
  'schemas/journal.schema.json': () => documentSchema(journalEntrySchema, 'hostops journal, one line'),
  'schemas/report.schema.json': () => documentSchema(reportSchema, 'hostops report'),
}

describe.each(Object.entries(documents))('%s', (file, make) => {
  const url = new URL(file, root)

  test('is what the zod schemas say', () => {
    const text = `${JSON.stringify(make(), null, 2)}\n`
    if (process.env['UPDATE'] === '1') writeFileSync(url, text)
    expect(
      existsSync(url) && readFileSync(url, 'utf8') === text,
      `stale: UPDATE=1 npx vitest run --config test/vitest.config.ts test/playbook/json-schema.test.ts`,
    ).toBe(true)
  })

  test('is a valid JSON Schema', () => {
    const ajv = new Ajv({
      strict: true,
      allowUnionTypes: true,
      strictRequired: false,
      formats: { 'date-time': true },
      keywords: ['x-untrusted'],
    })
    expect(ajv.validateSchema(make())).toBe(true)
    expect(() => ajv.compile(make())).not.toThrow()
  })
})

describe('playbook.schema.json', () => {
  let validate: ValidateFunction
  beforeAll(() => {
    validate = new Ajv({ strict: false, allErrors: true }).compile(playbookJsonSchema(kinds))
  })

  const shipped = ['playbooks/', 'examples/'].flatMap(folder =>
    existsSync(new URL(folder, root))
      ? readdirSync(new URL(folder, root))
          .filter(
            name =>
              name.endsWith('.yaml') &&
              readFileSync(new URL(folder + name, root), 'utf8').includes('\nhostops:'),
          )
          .map(name => folder + name)
      : [],
  )

  test.each(shipped)('accepts %s, and so does loading it', file => {
    const text = readFileSync(new URL(file, root), 'utf8')
    validate(parse(text))
    expect(validate.errors ?? []).toEqual([])
    expect(loadPlaybook(text, file, kinds)).toMatchObject({ ok: true, warnings: [] })
  })

  test('the shipped ones were found', () => {
    expect(shipped).toContain('playbooks/upgrade-openclaw.yaml')
    expect(shipped).toContain('playbooks/restart-service.yaml')
  })

  const step = (each: object) => ({ hostops: 1, name: 'x', steps: [each] })
  test.each([
    ['an unknown kind', step({ uses: 'git.fetsh' })],
    ['an unknown key of a step', step({ run: ['a'], tiemout: '5s' })],
    ['an unknown field of a kind', step({ uses: 'git.fetch', with: { repos: '/srv' } })],
    ['a wrong type', step({ uses: 'git.fetch', with: { repo: '/srv', tags: 'yes' } })],
    ['two forms in one step', step({ run: ['a'], uses: 'git.fetch' })],
    ['no form', step({ name: 'a' })],
    ['a wrong duration', step({ run: ['a'], timeout: '5 minutes' })],
    ['an expression in a script', step({ script: 'echo ${{ inputs.x }}' })],
    ['an unknown default', { ...step({ run: ['a'] }), defaults: { repos: '/srv' } }],
    ['a newer format', { ...step({ run: ['a'] }), hostops: 2 }],
    ['an unknown input type', { ...step({ run: ['a'] }), inputs: { a: { type: 'strng' } } }],
  ])('refuses %s', (_, playbook) => {
    expect(validate(playbook)).toBe(false)
  })

  test.each([
    ['an expression for a boolean', step({ uses: 'git.dirty-check', with: { allow: '${{ inputs.a }}' } })],
    ['an expression for a list', step({ uses: 'health.poll', with: { urls: '${{ inputs.a }}' } })],
    ['an expression in a duration', step({ uses: 'health.poll', with: { timeout: '${{ inputs.n }}s' } })],
    [
      'a kind without the fields that defaults supply',
      { ...step({ uses: 'git.fetch' }), defaults: { repo: '/srv' } },
    ],
    ['undo and reactivate', step({ run: ['a'], undo: ['b'], reactivate: true, effect: 'disrupt' })],
  ])('accepts %s', (_, playbook) => {
    validate(playbook)
    expect(validate.errors ?? []).toEqual([])
  })
})

test('what holds words of containers and commits is marked, for who hands a report to a language model', () => {
  const { properties } = JSON.parse(readFileSync(new URL('schemas/report.schema.json', root), 'utf8'))
  const { failedService, steps, observations } = properties
  const marked = {
    report: properties,
    failedService: failedService.properties,
    step: steps.items.properties,
    observation: observations.items.properties,
  }
  const names = Object.entries(marked).flatMap(([where, fields]) =>
    Object.entries(fields as Record<string, { 'x-untrusted'?: boolean }>).flatMap(([name, field]) =>
      field['x-untrusted'] ? [`${where}.${name}`] : [],
    ),
  )
  expect(names.sort()).toEqual([
    'failedService.health',
    'failedService.logsTail',
    'failedService.why',
    'observation.saw',
    'report.error',
    'report.logsTail',
    'report.rollbackError',
    'step.error',
  ])
})
