/** Where the runs of a server live: opened anew for each call, so that a host may come and go. */
import type { AtHost } from '../../app/at-host/ended-at-host.ts'
import { type HostPlaybook, playbooksOf } from '../../app/at-host/host-playbooks.ts'
import { playbooksHere, withSettings } from '../../app/at-host/playbooks-here.ts'
import type { Around } from '../../app/watcher.ts'
import type { Settings } from '../../playbook/settings.ts'
import { type HostLink, HostRefusal, noReply } from '../../runs/host-link.ts'

export type ServedPlace = {
  readonly target: string
  /** By the command line, and not by the settings or for want of another. */
  readonly isTargetGiven: boolean
  readonly state: string
  readonly options: { config?: string; playbooks?: string }
  readonly settings: Settings
  readonly around: Around
  readonly openHost: AtHost['openHost']
}

/** Throws `Failed` if the host does not answer before the signal aborts. */
export async function playbooksFor(place: ServedPlace, signal: AbortSignal): Promise<HostPlaybook[]> {
  const { target, settings, options, around } = place
  if (target !== 'local') {
    const playbooks = await withHost(place, signal, playbooksOf).catch(nothingStarted)
    return playbooks.map(playbook => withSettings(playbook, settings))
  }
  const catalog = { playbooks: options.playbooks, settings, env: around.env, cwd: around.cwd }
  // One that names another target was not meant for this machine, unless somebody has just said so.
  return playbooksHere(catalog).filter(each => place.isTargetGiven || (each.target ?? target) === target)
}

/** Whether a lost question was heard does not matter. */
function nothingStarted(error: unknown): never {
  throw error instanceof HostRefusal ? new HostRefusal({ ...error.reply, again: false }) : error
}

/** Whatever happens to the link: by the time that the signal aborts this has settled. */
export async function withHost<T>(
  place: ServedPlace,
  signal: AbortSignal,
  work: (host: HostLink) => Promise<T>,
): Promise<T> {
  const opened = await place.openHost(place.target, place.state, signal)
  if (!opened.ok) throw new HostRefusal(noReply(opened.failure))
  try {
    return await unlessOver(signal, opened.host, work(until(opened.host, signal)))
  } finally {
    opened.host.close()
  }
}

/** The same host, which is asked nothing more once the signal has aborted. */
export function until(host: HostLink, signal: AbortSignal): HostLink {
  const isOver = () => noReply(silence(host.target))
  return {
    target: host.target,
    ask: async (action, fields, own = signal) => {
      if (signal.aborted) return isOver()
      const reply = await host.ask(action, fields, AbortSignal.any([signal, own]))
      return reply.ok || !signal.aborted ? reply : isOver()
    },
    close: () => host.close(),
  }
}

const silence = (target: string) => ({
  ...{ code: 'unreachable' as const, target, reason: 'it has not answered in time' },
})

function unlessOver<T>(signal: AbortSignal, { target }: HostLink, work: Promise<T>): Promise<T> {
  const isOver = new Promise<never>((_, reject) => {
    const end = () => reject(new HostRefusal(noReply(silence(target), { again: true })))
    if (signal.aborted) end()
    signal.addEventListener('abort', end, { once: true })
  })
  return Promise.race([work, isOver])
}
