/** From `node:NAME` to the host behind it: the settings say how its gateway is reached. */
import type { OpenedHost } from '../../app/at-host/ended-at-host.ts'
import { targetFailure } from '../../app/connect-to.ts'
import { readSettings } from '../../app/read-settings.ts'
import type { ApprovalWait } from '../../openclaw/approval.ts'
import { openNode } from '../../openclaw/node-host.ts'
import { placeOfNode } from '../../openclaw/node-place.ts'
import type { Io } from '../terminal/io.ts'

type Wanted = {
  target: string
  state: string
  config: string | undefined
  approval: ApprovalWait | undefined
  signal: AbortSignal | undefined
}

/** Throws `Failed` for wrong settings. */
export async function openNodeHost(
  { target, config, ...options }: Wanted,
  io: Pick<Io, 'env' | 'cwd'>,
): Promise<OpenedHost> {
  const wrong = targetFailure(target)
  if (wrong !== null) return { ok: false, failure: wrong }
  const read = readSettings({ config }, io)
  if (!read.ok) return { ok: false, failure: read.failure }
  return openNode(placeOfNode(target, read.settings, io.env), options)
}
