/** Whether a step leaves the window to a later one. */
import { describe, expect, test } from 'vitest'
import type { scopeAtStart } from '../../src/engine/scope.ts'
import { type StepState, standsAmong } from '../../src/engine/step-state.ts'
import type { Effect } from '../../src/steps/contract/step.ts'

type Step = { stands?: true; effect?: Effect | null; when?: boolean; continueOnError?: boolean }

const among = (...steps: Step[]): boolean =>
  standsAmong(
    steps.map(({ stands, effect = 'read', when = true, continueOnError = false }, at) => {
      const planned = { id: `s${at}`, when, effect, continueOnError }
      return { planned, kind: { plan: stands ? { stands } : {} } } as unknown as StepState
    }),
    { inputs: {}, steps: {}, env: {}, run: {} } as unknown as ReturnType<typeof scopeAtStart>,
  )

describe('the window is left to a later step', () => {
  test.each<[string, Step[]]>([
    ['the next one', [{ stands: true }]],
    ['one behind a look', [{}, { stands: true }]],
    ['one behind a change that is skipped', [{ effect: 'write', when: false }, { stands: true }]],
  ])('%s', (_name, steps) => expect(among(...steps)).toBe(true))
})

describe('the window is waited out', () => {
  test.each<[string, Step[]]>([
    ['behind nothing', []],
    ['where nothing waits', [{}]],
    ['where it is skipped', [{ stands: true, when: false }]],
    ['where its failure would not count', [{ stands: true, continueOnError: true }]],
    ['before a change, which may have no way back', [{ effect: 'irreversible' }, { stands: true }]],
    ['before what may change something', [{ effect: null }, { stands: true }]],
  ])('%s', (_name, steps) => expect(among(...steps)).toBe(false))
})
