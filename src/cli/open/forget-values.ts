/** A run that ended for certain needs the values no more that its host kept for it: they may be secrets. */
import { openHostRunStore } from '../../host/store.ts'
import { hasSettled } from '../../runs/run-status.ts'
import { stateDir } from '../../runs/runs-folder.ts'
import type { Io } from '../terminal/io.ts'

export function forgetValues(runId: string, io: Io): void {
  const store = openHostRunStore(stateDir(io, undefined))
  const status = store.status(runId)
  if (status !== null && hasSettled(status)) store.forgetValues(runId)
}
