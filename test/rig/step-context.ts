/** What the engine gives to a step, over the real local transport. */

import type { Json } from '../../src/document/json.ts'
import { newHold } from '../../src/engine/pause-probes.ts'
import type { RecentReads } from '../../src/engine/recent-reads.ts'
import { NO_SECRETS } from '../../src/engine/redact.ts'
import { stepContext as engineContext } from '../../src/engine/step-context.ts'
import type { Observation, StepContext } from '../../src/steps/contract/step.ts'
import { localTransport } from '../../src/transport/local.ts'
import type { Command } from '../../src/transport/transport.ts'

export type Rig = StepContext & {
  said: string[]
  seen: Observation[]
  ran: Command[]
  /** For how long it has watched so far. */
  watchedSeconds(): number
}

export function stepContext(
  options: {
    /** Added to this process's own environment. */
    env?: Readonly<Record<string, string>>
    timeoutMs?: number
    /** Where durable commands leave their output; without it there can be none. */
    jobsFolder?: string
    signal?: AbortSignal
    outputsOf?: (uses: string) => { [output: string]: Json }[]
    /** Shared by the steps of a run; then each has an id of its own. */
    standing?: StepContext['standing']
    stepId?: string
    standsLater?: boolean
    /** In a rollback: a later step may have touched what runs. */
    touchedSince?: boolean
    /** Shared by steps that look in one moment. */
    looks?: RecentReads
  } = {},
): Rig {
  const said: string[] = []
  const seen: Observation[] = []
  const ran: Command[] = []
  let watched = 0
  const local = localTransport(options.jobsFolder)
  const context = engineContext({
    runId: '20261120T180900Z-7f3a9c',
    stepId: options.stepId ?? 'step',
    phase: '1',
    transport: {
      ...local,
      exec(command, how) {
        ran.push(command)
        return local.exec(command, how)
      },
    },
    clock: {
      now: () => performance.timeOrigin + performance.now(),
      sleep: ms => new Promise(resolve => setTimeout(resolve, ms)),
    },
    emit(event) {
      if (event.type === 'said') said.push(event.line)
      if (event.type === 'saw') seen.push(event)
      if (event.type === 'observed') watched += event.facts.watchedSeconds ?? 0
    },
    movement: null,
    outputsOf: options.outputsOf ?? (() => []),
    standing: options.standing,
    standsLater: () => options.standsLater ?? false,
    touchedSince: options.touchedSince,
    looks: options.looks,
    secrets: NO_SECRETS,
    timeoutMs: options.timeoutMs ?? 60_000,
    signal: options.signal ?? new AbortController().signal,
    env: options.env ?? {},
    cwd: undefined,
    confirmed: null,
    hold: newHold(),
  })
  return { ...context, said, seen, ran, watchedSeconds: () => watched }
}
