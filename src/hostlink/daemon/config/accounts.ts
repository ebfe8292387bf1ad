/** Groups by name, from the system's own file: Node has no call for them. */
import { readFileSync } from 'node:fs'

/** The number of a group given by name or number; null when there is no such group. */
export function getgid(group: string): number | null {
  if (/^\d+$/.test(group)) return Number(group)
  try {
    for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
      const [name, , id] = line.split(':')
      if (name === group && /^\d+$/.test(id ?? '')) return Number(id)
    }
  } catch {
    // No such file: no names.
  }
  return null
}
