/** Asks a host to start a run, and returns as soon as it has. */
import type { RunEnd } from '../../engine/run-input.ts'
import { atOf, type HostLink, withRetries } from '../../runs/host-link.ts'
import { reportOf, waitAt } from '../../runs/runs-at.ts'
import type { Watcher } from '../watcher.ts'
import { endOfRefusal, type ToldByHost } from './ended-at-host.ts'

export async function startDetached(
  host: HostLink,
  fields: { run_id: string },
  note: Watcher['note'],
  signal?: AbortSignal,
): Promise<RunEnd | ToldByHost> {
  const reply = await withRetries(() => host.ask('start', fields), signal)
  if (!reply.ok) return endOfRefusal(reply)
  return reply.value.attached ? metAgain(host, fields.run_id, note) : STARTED
}

const STARTED: RunEnd = { outcome: 'started', failedStep: null, failure: null }

/** Triggered once more: a run that has ended is reported with its end. */
async function metAgain(host: HostLink, runId: string, note: Watcher['note']): Promise<RunEnd | ToldByHost> {
  const reply = await waitAt(host, runId, 0)
  const told = reply.ok && reply.value.done === true ? reportOf(reply.value) : null
  note({ kind: 'attached', runId, run: told === null ? 'running' : 'ended' })
  return told === null ? STARTED : { kind: 'told', told, at: atOf(host) }
}
