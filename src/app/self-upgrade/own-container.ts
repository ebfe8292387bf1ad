/** Which container this process lives in, if any. */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

export const ownIdsHere = () =>
  containerIds(readText('/proc/self/mountinfo'), readText('/proc/self/cgroup'), hostname())

/**
 * Pure: ids of containers that a process may be in, from its own mounts, its control groups and its host name. On a
 * host the mounts name containers too; only where they stand in for files of /etc is one its own.
 */
export function containerIds(mountinfo: string, cgroup: string, name: string): string[] {
  const ids = new Set<string>()
  for (const line of mountinfo.split('\n')) {
    const [, , , root = '', point = ''] = line.split(' ')
    const id = /containers\/([0-9a-f]{64})\//.exec(root)?.[1]
    if (id && /^\/etc\/(hostname|hosts|resolv\.conf)$/.test(point)) ids.add(id)
  }
  for (const [id] of cgroup.matchAll(/\b[0-9a-f]{64}\b/g)) ids.add(id)
  if (ids.size === 0 && /^[0-9a-f]{12}$/.test(name)) ids.add(name)
  return [...ids]
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
