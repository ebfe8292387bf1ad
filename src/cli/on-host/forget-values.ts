/** A run that ended for certain needs the values no more that its host kept for it: they may be secrets. */
import { openHostRunStore } from '../../hostlink/daemon/host-runs/store.ts'
import type { Io } from '../io.ts'
import { stateDir } from '../state/state.ts'

export function forgetValues(runId: string, io: Io): void {
  const store = openHostRunStore(stateDir(io, undefined))
  if (store.state(runId).settled) store.forgetValues(runId)
}
