/**
 * Who decides about a confirmation: a file in the run's folder, one for each deadline, made once and never changed.
 * Whoever makes it first has decided: somebody who confirms, or the runner when the time is over. So nobody is told
 * that a run is confirmed which is then taken back.
 */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { By } from '../engine/events.ts'
import type { Confirmations } from '../engine/run-input.ts'
import { Failed, type NotConfirmable } from '../failure.ts'
import { confirm } from '../steps/confirm.ts'
import type { Confirmer } from '../steps/contract/step.ts'
import { byOf } from './caller.ts'
import { readEvents } from './read-journal.ts'
import { mayLive } from './run-status.ts'
import type { Confirmed } from './runs.ts'
import type { RunEntry } from './runs-folder.ts'
import { watchFolder } from './watch-folder.ts'

type Decision = 'confirmed' | 'missed'

const POLL_MS = 1000

export const awaitConfirmIn = (folder: string): Confirmations => {
  const set = new Map<number, number>()
  return {
    deadlineIn: ms => {
      const deadline = Date.now() + ms
      set.set(deadline, performance.now() + ms)
      return deadline
    },
    wait: (deadline, signal) =>
      new Promise(resolve => {
        // The clock of the machine is looked at once: who sets it neither shortens nor lengthens the waiting.
        const over = set.get(deadline) ?? performance.now() + (deadline - Date.now())
        let timer: NodeJS.Timeout | undefined
        let unwatch = () => {}
        const end = (confirmed: boolean) => {
          unwatch()
          clearTimeout(timer)
          signal.removeEventListener('abort', look)
          resolve(confirmed ? { by: confirmedBy(folder, deadline) } : null)
        }
        const look = () => {
          clearTimeout(timer)
          // Looked for before the clock is: what came in time counts, also when nobody lived to see it come.
          if (decision(folder, deadline) === 'confirmed') return end(true)
          if (signal.aborted) return end(false)
          const left = over - performance.now()
          if (left <= 0) return end(decide(folder, deadline, 'missed') === 'confirmed')
          timer = setTimeout(look, Math.min(POLL_MS, left))
        }
        unwatch = watchFolder(folder, look)
        signal.addEventListener('abort', look)
        look()
      }),
  }
}

/** Confirms the step that waits at the moment. Throws `Failed` if none does. */
export function confirmRun({ folder, head, report, status }: RunEntry, by: By): Confirmed {
  const refused = (because: NotConfirmable) =>
    new Failed({ code: 'not-confirmable', runId: head.runId, because })
  const awaited = awaitedConfirmation(folder)
  if (awaited === null) {
    if (hasConfirmStep(folder) === false) throw refused({ why: 'no-confirm-step' })
    throw refused({ why: report === null ? 'not-yet' : 'has-ended' })
  }
  const { step, deadline, over, next } = awaited
  if (over && next !== null) throw refused({ why: 'later-step', step, next })
  const earlier = decision(folder, deadline)
  if (earlier === 'confirmed') return { step, already: true }
  if (earlier === null && over) throw refused({ why: 'over' })
  if (earlier === null && !mayConfirm(awaited, by)) throw refused({ why: 'own-run', step })
  // A runner that waits knows better when the time is over: the clock of the machine may have been set since.
  const isLate =
    (!mayLive(status) && Date.now() > deadline) || decide(folder, deadline, 'confirmed', by) === 'missed'
  if (isLate) throw refused({ why: 'too-late', until: new Date(deadline).toISOString() })
  return { step, already: false }
}

type Awaited = {
  step: string
  deadline: number
  confirmer: Confirmer
  starter: By | null
  over: boolean
  /** A later step that will wait for one, and does not yet. */
  next: string | null
}

/** The last confirmation that a run has waited for, by its journal; null: it has not come to one. */
function awaitedConfirmation(folder: string): Awaited | null {
  let awaited: Awaited | null = null
  let toCome: string[] = []
  let starter: By | null = null
  const isOver = () => {
    if (awaited) awaited.over = true
  }
  for (const event of readEvents(folder)) {
    switch (event.type) {
      case 'run-started':
        toCome = event.steps.filter(step => step.uses === confirm.uses).map(step => step.id)
        starter = event.caller?.by ?? null
        break
      case 'confirm-awaited': {
        const { id: step, deadline, confirmer = 'caller' } = event
        toCome = toCome.filter(each => each !== step)
        awaited = { step, deadline, confirmer, starter, over: false, next: null }
        break
      }
      case 'step-finished':
        toCome = toCome.filter(step => step !== event.id)
        if (event.id === awaited?.step) isOver()
        break
      case 'rollback-started':
      case 'run-finished':
        toCome = []
        isOver()
        break
      default:
    }
  }
  return awaited && { ...awaited, next: toCome[0] ?? null }
}

/** Where nobody knows who started the run, nobody is known to be another. */
function mayConfirm({ confirmer, starter }: Awaited, by: By): boolean {
  if (confirmer === 'caller') return true
  return starter !== null && (by.kind !== starter.kind || by.name !== starter.name)
}

/** Null where the journal has not begun. */
function hasConfirmStep(folder: string): boolean | null {
  const started = readEvents(folder).find(event => event.type === 'run-started')
  return started?.steps.some(step => step.uses === confirm.uses) ?? null
}

/** Of the step that waits with this deadline; null: nobody has decided yet. */
export function decision(folder: string, deadline: number): Decision | null {
  try {
    return readFileSync(fileOf(folder, deadline), 'utf8').startsWith('confirmed') ? 'confirmed' : 'missed'
  } catch {
    return null
  }
}

/** Who has confirmed; null where that is not known, as of an older version. */
function confirmedBy(folder: string, deadline: number): By | null {
  try {
    return byOf(readFileSync(fileOf(folder, deadline), 'utf8').replace(/^confirmed/, ''))
  } catch {
    return null
  }
}

/** What was decided in the end, by this call or by an earlier one. */
export function decide(folder: string, deadline: number, wanted: Decision, by: By | null = null): Decision {
  const file = fileOf(folder, deadline)
  const draft = `${file}.${process.pid}`
  try {
    const words = by === null ? wanted : `${wanted} ${JSON.stringify(by)}`
    writeFileSync(draft, `${words}\n`, { mode: 0o600, flush: true })
    linkSync(draft, file)
    return wanted
  } catch (error) {
    const earlier = decision(folder, deadline)
    if (earlier !== null) return earlier
    // No room for the file: an answer that nobody can find later is none.
    if (wanted === 'missed') return 'missed'
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

const fileOf = (folder: string, deadline: number) => join(folder, `confirm-${deadline}`)
