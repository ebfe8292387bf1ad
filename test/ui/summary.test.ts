import { expect, test } from 'vitest'
import type { Failure } from '../../src/failure.ts'
import { makeSummary } from '../../src/ui/summary.ts'
import { width } from '../../src/ui/text.ts'

const summary = (columns: number | null) => {
  const made = makeSummary()
  made.add({
    type: 'run-finished',
    outcome: 'rollback-failed',
    failedStep: 'second',
    failure: {
      code: 'command-failed',
      argv: ['sh', '-c', 'sleep 2; exit 4'],
      exitCode: 4,
      signal: null,
      tail: '漢字 out of order',
    },
  })
  return made.lines({ runId: '20261120T180900Z-7f3a9c', durationMs: 1000, stored: true, columns })
}

test.each([20, 33, 39, 40, 80, 200])(
  'at %i columns no row is broken by the terminal, and nothing is missing',
  columns => {
    const rows = summary(columns)
    for (const row of rows) expect(width(row), row).toBeLessThanOrEqual(columns)
    const words = (lines: string[]) => lines.join('').replaceAll(/\s/g, '')
    expect(words(rows)).toBe(words(summary(null)))
  },
)

test('labels stand beside what they are of, and above it where there is no room', () => {
  expect(summary(80).slice(-1)).toEqual(['  run      20261120T180900Z-7f3a9c'])
  expect(summary(32).slice(-2)).toEqual(['  run', '    20261120T180900Z-7f3a9c'])
})

test('of a rollback that failed half-way, what was put back is told too', () => {
  const made = makeSummary()
  const failure = { code: 'not-restored', step: 'b', problem: 'it is stuck' } as const
  const part = { type: 'part-finished', movement: 'restore', durationMs: 1, facts: {} } as const
  made.add({ ...part, id: 'b', changed: false, failure })
  made.add({ ...part, id: 'a', changed: true, failure: null })
  made.add({ type: 'rollback-finished', verified: false, notVerified: [], remains: [], durationMs: 1 })
  made.add({ type: 'run-finished', outcome: 'rollback-failed', failedStep: null, failure: null })
  const lines = made.lines({ runId: 'x', durationMs: 1, stored: false, columns: null })
  expect(lines).toContain('  undone   restore a')
  expect(lines.some(line => line.startsWith('  remains  restore b'))).toBe(true)
})

test('what a service has said last stands under what the failed step said, not what the way back said', () => {
  const made = makeSummary()
  const service = {
    ...{ name: 'app', container: 'p-app-1', image: 'sha256:1', why: 'it has ended', state: 'exited' },
    ...{ exitCode: 1, restarts: 1, health: null, logsTail: 'starts\npanic: no secret\n' },
  }
  const output = { type: 'output', id: 'up', phase: '1', stream: 'stderr' } as const
  made.add({ ...output, line: 'Container p-app-1 Started' })
  made.add({
    type: 'evidence',
    id: 'up',
    evidence: [{ name: 'state', text: '', facts: { failedService: service } }],
  })
  const failure = {
    code: 'not-stable' as const,
    dir: '/srv',
    services: ['app'],
    detail: 'x',
    tail: '',
  } satisfies Failure
  made.add({ type: 'rollback-started', because: failure, steps: ['up'], stopsAt: null })
  made.add({ ...output, line: 'Container p-app-1 Recreated' })
  made.add({ type: 'run-finished', outcome: 'rolled-back', failedStep: 'up', failure })
  const lines = made.lines({ runId: 'x', durationMs: 1, stored: false, columns: 100 })
  expect(lines.join('\n')).not.toContain('Recreated')
  expect(lines).toEqual(
    expect.arrayContaining([
      '  output   Container p-app-1 Started',
      '  logs     of p-app-1:',
      '           starts',
      '           panic: no secret',
    ]),
  )
})

test('what was taken back by hand is not told as a failure', () => {
  const made = makeSummary()
  const failure: Failure = { code: 'taken-back', runId: 'r' }
  made.add({ type: 'output', id: 'second', phase: '1', stream: 'stdout', line: 'no' })
  made.add({
    type: 'part-finished',
    movement: 'restore',
    id: 'first',
    durationMs: 1,
    changed: true,
    facts: {},
    failure: null,
  })
  made.add({ type: 'run-finished', outcome: 'rolled-back', failedStep: 'second', failure })
  expect(made.lines({ runId: 'r', durationMs: 1000, stored: true, columns: null })).toEqual([
    'Rolled back as asked (1.0s)',
    '  undone   restore first',
    '  run      r',
  ])
})

test.each([
  [
    'rollback-failed',
    null,
    ['  hint     hostops rollback r --target hostlink   takes back what is left of it'],
  ],
  [
    'failed-changed',
    null,
    ['  hint     hostops rollback r --target hostlink   takes back what is left of it'],
  ],
  // Nothing goes past it, whoever asks.
  ['failed-changed', 'migrate', []],
  ['rolled-back', null, []],
] as const)('after %s (stopped at %s) it says how to go on', (outcome, stopsAt, hints) => {
  const made = makeSummary()
  const because = { code: 'internal', problem: 'x' } as const
  made.add({ type: 'rollback-started', because, steps: ['a'], stopsAt })
  made.add({ type: 'run-finished', outcome, failedStep: 'a', failure: null })
  const at = ' --target hostlink'
  const lines = made.lines({ runId: 'r', durationMs: 1, stored: true, columns: null, at })
  expect(lines.filter(line => line.includes('hint'))).toEqual(hints)
})
