import { describe, expect, test } from 'vitest'
import { decideOutcome, type RunFacts } from '../../src/engine/outcome.ts'
import type { Failure } from '../../src/failure.ts'

const facts = (part: Partial<RunFacts>): RunFacts => ({
  failure: null,
  acted: false,
  changed: false,
  couldChange: true,
  rollback: null,
  ...part,
})
const health: Failure = { code: 'unhealthy', probes: [], timeoutMs: 1000 }
const lost: Failure = { code: 'link-lost', target: 't', command: 'c', reason: 'r' }
const interrupted: Failure = { code: 'interrupted', signal: 'SIGINT' }
const restored = { changedSomething: true, verified: true }

describe('the verdict follows from what was observed', () => {
  test.each<[string, Partial<RunFacts>, string]>([
    ['all went well and the host changed', { changed: true, acted: true }, 'succeeded'],
    ['all went well and nothing changed', { acted: true }, 'unchanged'],
    ['only probes ran', { couldChange: false }, 'succeeded'],
    ['a dirty tree', { failure: { code: 'dirty-tree', repo: 'r', entries: [], total: 1 } }, 'refused'],
    ['a held lock', { failure: { code: 'lock-held', what: 'w', holder: 'h', since: 's' } }, 'refused'],
    [
      'a policy that denies the first command',
      { failure: { code: 'denied', target: 't', rule: 'r' } },
      'refused',
    ],
    ['no daemon', { failure: { code: 'unreachable', target: 't', reason: 'r' } }, 'unreachable'],
    ['a wrong token', { failure: { code: 'auth-failed', target: 't' } }, 'unreachable'],
    ['a link lost before any change', { failure: lost }, 'unreachable'],
    [
      'a step that may fail, behind which something changed',
      { failure: health, allowed: true, acted: true, changed: true },
      'failed-changed',
    ],
    [
      'a step that may fail, and nothing changed',
      { failure: health, allowed: true, acted: true },
      'failed-unchanged',
    ],
    [
      'a step that may fail and is denied',
      { failure: { code: 'denied', target: 't', rule: 'r' }, allowed: true },
      'failed-unchanged',
    ],
    ['a probe that fails before any change', { failure: health }, 'failed-unchanged'],
    ['Ctrl-C before any change', { failure: interrupted }, 'interrupted'],
    ['a link lost during a change', { failure: lost, acted: true }, 'unknown'],
    ['a failure without a rollback', { failure: health, acted: true }, 'failed-changed'],
    ['Ctrl-C where nothing is to be rolled back', { failure: interrupted, acted: true }, 'interrupted'],
    ['a verified rollback', { failure: health, acted: true, rollback: restored }, 'rolled-back'],
    [
      'a rollback that found nothing to put back',
      { failure: health, acted: true, rollback: { changedSomething: false, verified: true } },
      'failed-unchanged',
    ],
    [
      'a rollback that is not verified',
      { failure: health, acted: true, rollback: { changedSomething: true, verified: false } },
      'rollback-failed',
    ],
    [
      'Ctrl-C and a verified rollback',
      { failure: interrupted, acted: true, rollback: restored },
      'interrupted',
    ],
    [
      'Ctrl-C and a rollback that is not verified',
      { failure: interrupted, acted: true, rollback: { changedSomething: false, verified: false } },
      'rollback-failed',
    ],
  ])('%s', (_name, part, outcome) => {
    expect(decideOutcome(facts(part))).toBe(outcome)
  })
})
