/**
 * What must outlive a power cut before anything is done: what the run would be resumed from, and the names of it all.
 * The waits for the disk are one, since they are begun together, and what comes before the first step hides most of it.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { syncFile, syncFolderSoon } from '../process/replace.ts'

export async function syncPlaces(folder: string): Promise<void> {
  const files = ['plan.json', 'playbook.yaml'].map(name => join(folder, name)).filter(existsSync)
  const folders = [folder, dirname(folder), dirname(dirname(folder))]
  // Not every file system lets a folder be synced.
  await Promise.all([
    ...files.map(file => syncFile(file)),
    ...folders.map(each => syncFolderSoon(each).catch(() => {})),
  ])
}
