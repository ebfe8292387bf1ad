/**
 * What must outlive a power cut before anything is done: what the run would be resumed from, and the names of it all.
 * The waits for the disk are one, since they are begun together, and what comes before the first step hides most of it.
 */
import { closeSync, existsSync, fsync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'

export async function syncPlaces(folder: string): Promise<void> {
  const files = ['plan.json', 'playbook.yaml'].map(name => join(folder, name)).filter(existsSync)
  const folders = [folder, dirname(folder), dirname(dirname(folder))]
  // Not every file system lets a folder be synced.
  await Promise.all([...files.map(syncAt), ...folders.map(each => syncAt(each).catch(() => {}))])
}

async function syncAt(path: string): Promise<void> {
  const descriptor = openSync(path, 'r')
  try {
    await new Promise<void>((resolve, reject) => {
      fsync(descriptor, error => (error ? reject(error) : resolve()))
    })
  } finally {
    closeSync(descriptor)
  }
}
