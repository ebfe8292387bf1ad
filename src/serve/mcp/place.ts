/** Where the runs of a server live: opened anew for each call, so that a host may come and go. */
import type { AtHost } from '../../app/at-host/ended-at-host.ts'
import { type HostPlaybook, playbooksOf } from '../../app/at-host/host-playbooks.ts'
import { playbooksHere, withSettings } from '../../app/at-host/playbooks-here.ts'
import { withHost } from '../../app/at-host/with-host.ts'
import type { Around } from '../../app/watcher.ts'
import type { Settings } from '../../playbook/settings.ts'
import { type HostLink, HostRefusal } from '../../runs/host-link.ts'

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
    const asked = withServedHost(place, signal, host => playbooksOf(host, signal))
    const playbooks = await asked.catch(nothingStarted)
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

export const withServedHost = async <T>(
  { target, state, openHost }: ServedPlace,
  signal: AbortSignal,
  work: (host: HostLink) => Promise<T>,
): Promise<T> => withHost(await openHost(target, state, signal), work)
