/** A run that ended for certain needs the values no more that its host kept for it: they may be secrets. */
import { openHostRunStore } from '../../host/store.ts'
import { stateDir } from '../../runs/runs-folder.ts'
import type { Io } from '../io.ts'

export function forgetValues(runId: string, io: Io): void {
  const store = openHostRunStore(stateDir(io, undefined))
  if (store.state(runId).settled) store.forgetValues(runId)
}
