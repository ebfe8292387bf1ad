/** What of a run's events the report shows. */
import { expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { addEvent, emptyDraft, toReport } from '../../src/report/build.ts'

test('the last lines of the failed step, and not what its way back said', () => {
  const draft = emptyDraft({
    runId: 'r',
    playbook: 'p',
    target: 'local',
    dryRun: false,
    startedAt: 0,
  })
  const failure = { code: 'internal', problem: 'x' } as const
  const says = (line: string): Event => ({ type: 'output', id: 'up', phase: '1', stream: 'stdout', line })
  const events: Event[] = [
    says('panic: no database'),
    { type: 'rollback-started', because: failure, steps: ['up'], stopsAt: null },
    says('Container gateway Recreated'),
    { type: 'rollback-finished', verified: true, notVerified: [], remains: [], durationMs: 1 },
    { type: 'run-finished', outcome: 'rolled-back', failedStep: 'up', failure },
  ]
  for (const event of events) addEvent(draft, event)
  expect(toReport(draft, 1).logsTail).toBe('panic: no database')
})

test('a step that was begun and whose end nobody saw is unknown, also when it was taken back', () => {
  const head = { runId: 'r', playbook: 'p', target: 'local', dryRun: false, startedAt: 0 }
  const draft = emptyDraft(head)
  const step = (id: string) => ({
    id,
    name: id,
    uses: 'command',
    effect: 'write' as const,
    about: {},
    log: '',
  })
  const events: Event[] = [
    {
      ...{ type: 'run-started', runId: 'r', playbook: 'p', playbookDigest: null, planHash: null },
      ...{ target: 'local', caller: null, steps: [step('up'), step('next')] },
    },
    { type: 'step-started', id: 'up', effect: 'write', attempt: 2, commands: [] },
    { type: 'resumed', runId: 'r', done: [], inFlight: 'up', by: null },
    { type: 'rollback-started', because: { code: 'taken-back', runId: 'r' }, steps: ['up'], stopsAt: null },
    { type: 'rollback-finished', verified: true, notVerified: [], remains: [], durationMs: 1 },
  ]
  for (const event of events) addEvent(draft, event)
  expect(toReport(draft, 1).steps).toMatchObject([
    { id: 'up', status: 'unknown', attempts: 2 },
    { id: 'next', status: 'not-run', attempts: 0 },
  ])
})
