import type { Endpoint } from '../link/link.ts'
import type { CliOutcome } from './exit-code.ts'
import type { ClientIo } from './io.ts'
import type { CliSettings } from './options.ts'

/** An invocation that knows its daemon. */
export type Session = { io: ClientIo; settings: CliSettings; endpoint: Endpoint }

/** Finds out which daemon is meant and runs with it, or says why that is not known. */
export type WithSession = (
  io: ClientIo,
  settings: CliSettings,
  run: (session: Session) => Promise<CliOutcome>,
) => Promise<CliOutcome>
