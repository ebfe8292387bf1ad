/** Opens hosts for operations that may never need one: the code of the link is loaded with the first. */
import type { OpenedHost } from '../../app/at-host/ended-at-host.ts'
import type { LocalOwner } from '../../host/local-host.ts'
import type { ApprovalWait } from '../../openclaw/approval.ts'
import { isNode } from '../../transport/target.ts'
import type { Io } from '../terminal/io.ts'

export type OfHosts = {
  config?: string | undefined
  /** How a start waits for the operators of an OpenClaw gateway, if it does. */
  approval?: ApprovalWait | undefined
  owner?: LocalOwner
}

export const opener =
  ({ config, approval, owner = 'user' }: OfHosts, io: Pick<Io, 'env' | 'cwd'>) =>
  async (target: string, state: string, signal?: AbortSignal): Promise<OpenedHost> => {
    if (!isNode(target)) return (await import('./open-host.ts')).openHost(io, target, state, signal, owner)
    const { openNodeHost } = await import('./open-node.ts')
    return openNodeHost({ target, state, config, approval, signal }, io)
  }
