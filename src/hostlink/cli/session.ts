import type { Endpoint } from '../link/link.ts'
import type { Outcome } from './exit-code.ts'
import type { Io } from './io.ts'
import type { Settings } from './options.ts'

/** An invocation that knows its daemon. */
export type Session = { io: Io; settings: Settings; endpoint: Endpoint }

/** Finds out which daemon is meant and runs with it, or says why that is not known. */
export type Connected = (
  io: Io,
  settings: Settings,
  run: (session: Session) => Promise<Outcome>,
) => Promise<Outcome>
