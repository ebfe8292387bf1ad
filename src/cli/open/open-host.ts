/** From a target to the host behind it: a hostlink daemon, or this machine in the same way. */
import type { OpenedHost } from '../../app/at-host/ended-at-host.ts'
import { openLinkedHost } from '../../app/at-host/open-linked-host.ts'
import { targetFailure } from '../../app/connect-to.ts'
import type { LocalOwner } from '../../host/local-host.ts'
import type { Io } from '../terminal/io.ts'

export async function openHost(
  io: Pick<Io, 'env'>,
  target: string,
  state: string,
  signal?: AbortSignal,
  owner?: LocalOwner,
): Promise<OpenedHost> {
  const wrong = targetFailure(target)
  if (wrong !== null) return { ok: false, failure: wrong }
  if (target !== 'local') return openLinkedHost(target, io.env, signal)
  const { openLocalHost } = await import('../../host/local-host.ts')
  return { ok: true, host: openLocalHost(state, process.argv[1] ?? '', owner) }
}
