/** Calls `onChange` whenever something changes in a folder. Watches are not there on every file system: who uses one looks now and then as well. */
import { type FSWatcher, watch } from 'node:fs'

/** Returns what ends it. */
export function watchFolder(folder: string, onChange: () => void): () => void {
  let watcher: FSWatcher | null = null
  try {
    watcher = watch(folder, onChange)
    watcher.on('error', () => watcher?.close())
  } catch {
    // Looking now and then is enough.
  }
  return () => watcher?.close()
}
