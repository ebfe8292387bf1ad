/**
 * Where a run's own record cannot be written any more, the way back goes on without it: getting back matters more. So
 * that nobody later goes on from that record, a word of it stays on the target, beside the locks, until the run has an
 * end that is recorded.
 */
import type { Failure } from '../failure.ts'
import { toFailure } from './attempt.ts'
import type { Outcome } from './events.ts'
import { askTarget, targetContext } from './lock.ts'
import type { Guarded } from './run-input.ts'

/** `outcome`: null while that runner had not come to its end. */
type Mark = { runId: string; outcome: Outcome | null }

/** Whatever becomes of it, the way back begins. */
export async function markLostRecord(run: Guarded, outcome: Outcome | null): Promise<void> {
  const note: Mark = { runId: run.runId, outcome }
  try {
    await ask(run, 'write', JSON.stringify(note))
  } catch (error) {
    const line = `that this record is not complete could not be noted on the target: ${toFailure(error).code}`
    run.emit({ type: 'said', id: 'record', phase: null, line })
  }
}

/** Null: there is none. Throws `Failed` when the target cannot be asked. */
export async function readLostRecordMark(run: Guarded): Promise<Mark | null> {
  if (run.record === undefined) return null
  try {
    const { word, content } = await ask(run, 'read', '')
    return word === 'held' ? parsed(run.runId, content) : null
  } catch (error) {
    if (NEVER_NOTED.has(toFailure(error).code)) return null
    throw error
  }
}

export async function removeLostRecordMark(run: Guarded): Promise<void> {
  await ask(run, 'remove', '').catch(() => {})
}

/** Where this is refused, nothing could be written there either. */
const NEVER_NOTED: ReadonlySet<Failure['code']> = new Set([
  'denied',
  'lock-unwritable',
  'command-not-started',
])

async function ask(run: Guarded, verb: 'write' | 'read' | 'remove', content: string) {
  const context = targetContext(run, new AbortController().signal)
  return askTarget(context, verb, `record:${run.record?.id()}`, content)
}

/** What cannot be read says at least that something was to be said. */
function parsed(runId: string, content: string): Mark {
  try {
    const { outcome } = JSON.parse(content) as Mark
    return { runId, outcome: typeof outcome === 'string' ? outcome : null }
  } catch {
    return { runId, outcome: null }
  }
}
