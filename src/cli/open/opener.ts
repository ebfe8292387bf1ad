/** Opens hosts for operations that may never need one: the code of the link is loaded with the first. */
import type { AtHost } from '../../app/at-host/ended-at-host.ts'
import type { LocalOwner } from '../../host/local-host.ts'
import type { Io } from '../terminal/io.ts'

export const opener =
  (io: Pick<Io, 'env'>, owner: LocalOwner = 'user'): AtHost['openHost'] =>
  async (target, state, signal) =>
    (await import('./open-host.ts')).openHost(io, target, state, signal, owner)
