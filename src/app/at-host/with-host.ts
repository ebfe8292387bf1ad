/** Works with a host that was opened, and closes it afterwards. */
import { type HostLink, HostRefusal, noReply } from '../../runs/host-link.ts'
import type { OpenedHost } from './ended-at-host.ts'

/** Throws `HostRefusal` if it could not be opened. */
export async function withHost<T>(opened: OpenedHost, work: (host: HostLink) => Promise<T>): Promise<T> {
  if (!opened.ok) throw new HostRefusal(noReply(opened.failure))
  try {
    return await work(opened.host)
  } finally {
    opened.host.close()
  }
}
