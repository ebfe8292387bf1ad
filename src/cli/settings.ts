import type { Failure } from '../failure.ts'
import type { Json } from '../steps/step.ts'
import type { Io } from './io.ts'
import { DEFAULT_KEEP_RUNS } from './state.ts'

export type Settings = {
  target?: string
  stateDir?: string
  keepRuns: number
  playbooks?: string
  inputs: { [playbook: string]: { [name: string]: Json } }
  pinned: { [playbook: string]: { [name: string]: Json } }
}

export function readSettings(
  _options: { config?: string },
  _io: Io,
): { ok: true; value: Settings } | { ok: false; failure: Failure } {
  return { ok: true, value: { keepRuns: DEFAULT_KEEP_RUNS, inputs: {}, pinned: {} } }
}
