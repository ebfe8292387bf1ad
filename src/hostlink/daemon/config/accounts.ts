/** Groups by name, from the system's own file: Node has no call for them. */
import { readFileSync } from 'node:fs'
import { quietly } from '../../../process/quietly.ts'

/** The number of a group given by name or number; null when there is no such group. */
export function getgid(group: string): number | null {
  if (/^\d+$/.test(group)) return Number(group)
  const groups = (quietly(() => readFileSync('/etc/group', 'utf8')) ?? '').split('\n')
  const found = groups
    .map(line => line.split(':'))
    .find(([name, , id = '']) => name === group && /^\d+$/.test(id))
  return found === undefined ? null : Number(found[2])
}
