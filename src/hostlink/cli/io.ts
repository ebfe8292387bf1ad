/** Everything that the hostlink client touches of its process; `bin/hostlink.ts` passes in the real one. */

import type { Env } from '../../process/surroundings.ts'
import type { ReadFile } from '../link/targets.ts'
import type { InterruptSignal } from './exit-code.ts'

export type ClientIo = {
  readonly args: readonly string[]
  readonly env: Env
  readonly readFile: ReadFile
  /** Settles once everything is written. False: nobody reads that stream any more. */
  write(stream: 'stdout' | 'stderr', data: string | Uint8Array): Promise<boolean>
  /** Calls back at each of these signals instead of dying from it, until the answer is called. */
  onSignal(handler: (signal: InterruptSignal) => void): () => void
}
