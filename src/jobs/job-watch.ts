/** Lets any number of requests wait for files of a spool to change, with one watch for each folder. */
import { type FSWatcher, watch } from 'node:fs'

/** Watches may miss what other machines write, or not be there at all (inotify has a limit). */
const POLL_MS = 1000
const POLL_UNWATCHED_MS = 200

export type Watches = {
  /** To be closed by who opened it. */
  open(folder: string): Watch
  /** Wakes all that wait in the folder. */
  poke(folder: string): void
  close(): void
}

type Watch = {
  /**
   * Resolves when one of `names` changed since the last call of `next` on this watch (or since it was opened), now
   * and then without a cause, at the latest after `limitMs`, and at once when `gone` is aborted.
   */
  next(names: readonly string[], limitMs: number, gone: AbortSignal): Promise<void>
  close(): void
}

type Folder = { watcher: FSWatcher | null; listeners: Set<(name: string | null) => void> }

export function openWatches(): Watches {
  const folders = new Map<string, Folder>()

  const enter = (path: string): Folder => {
    const known = folders.get(path)
    if (known) return known
    const folder: Folder = { watcher: null, listeners: new Set() }
    const tell = (name: string | null) => folder.listeners.forEach(listener => void listener(name))
    try {
      folder.watcher = watch(path, (_, name) => tell(name))
      folder.watcher.on('error', () => {
        folder.watcher?.close()
        folder.watcher = null
        tell(null)
      })
    } catch {
      // Polling is enough.
    }
    folders.set(path, folder)
    return folder
  }

  return {
    open(path) {
      const folder = enter(path)
      const changed = new Set<string | null>()
      let wake: () => unknown = () => {}
      const listener = (name: string | null) => {
        changed.add(name)
        wake()
      }
      folder.listeners.add(listener)
      return {
        next: async (names, limitMs, gone) => {
          const isMet = () => changed.has(null) || names.some(name => changed.has(name))
          const pollMs = folder.watcher === null ? POLL_UNWATCHED_MS : POLL_MS
          if (!isMet() && !gone.aborted) {
            await new Promise<void>(resolve => {
              const end = () => {
                clearTimeout(timer)
                gone.removeEventListener('abort', end)
                resolve()
              }
              const timer = setTimeout(end, Math.min(limitMs, pollMs))
              gone.addEventListener('abort', end)
              wake = () => isMet() && end()
            })
          }
          changed.clear()
        },
        close: () => {
          folder.listeners.delete(listener)
          if (folder.listeners.size > 0 || folders.get(path) !== folder) return
          folder.watcher?.close()
          folders.delete(path)
        },
      }
    },
    poke: path => folders.get(path)?.listeners.forEach(listener => void listener(null)),
    close: () => {
      for (const { watcher, listeners } of folders.values()) {
        watcher?.close()
        for (const listener of listeners) listener(null)
      }
      folders.clear()
    },
  }
}
