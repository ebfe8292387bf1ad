/** Names of groups and users, from the system's own files: Node has no call for them. */
import { readFileSync } from 'node:fs'

/** The number of a group given by name or number; null when there is no such group. */
export const getgid = (group: string): number | null => lookUp('/etc/group', group)

export const getuid = (user: string): number | null => lookUp('/etc/passwd', user)

/** Both files are `name:password:id:...`. */
function lookUp(file: string, name: string): number | null {
  if (/^\d+$/.test(name)) return Number(name)
  try {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [known, , id] = line.split(':')
      if (known === name && /^\d+$/.test(id ?? '')) return Number(id)
    }
  } catch {
    // No such file: no names.
  }
  return null
}
