/** Asks a host to start a run, and returns as soon as it has. */
import type { RunEnd } from '../../engine/run-input.ts'
import type { Failure } from '../../failure.ts'
import { atOf, type HostLink, type Reply, withRetries } from '../../runs/host-link.ts'
import { reportOf, waitAt } from '../../runs/runs-at.ts'
import type { Watcher } from '../watcher.ts'
import { endOfRefusal, type ToldByHost } from './ended-at-host.ts'

export async function startDetached(
  host: HostLink,
  fields: { run_id: string },
  note: Watcher['note'],
  signal?: AbortSignal,
): Promise<RunEnd | ToldByHost> {
  const reply = await askToStart(host, fields, signal)
  if (!reply.ok) return endOfRefusal(reply)
  return reply.value.attached ? metAgain(host, fields.run_id, note) : STARTED
}

/** A refusal is about the last request only: one that was lost before it may have started the run. */
export async function askToStart(host: HostLink, fields: object, signal?: AbortSignal): Promise<Reply> {
  let isLost = false
  const onSilence = ({ code }: Failure) => {
    isLost ||= code === 'unreachable'
  }
  const reply = await withRetries(() => host.ask('start', fields), signal, onSilence)
  return reply.ok || !isLost ? reply : { ...reply, again: true, unable: false }
}

const STARTED: RunEnd = { outcome: 'started', failedStep: null, failure: null }

/** Triggered once more: a run that has ended is reported with its end. */
async function metAgain(host: HostLink, runId: string, note: Watcher['note']): Promise<RunEnd | ToldByHost> {
  const reply = await waitAt(host, runId, 0)
  const told = reply.ok && reply.value.done === true ? reportOf(reply.value, runId) : null
  note({ kind: 'attached', runId, run: told === null ? 'running' : 'ended' })
  return told === null ? STARTED : { kind: 'told', told, at: atOf(host) }
}
