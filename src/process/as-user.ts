import type { FileOwner } from './write-owned.ts'

/**
 * Does the work with the rights of another user, whose folders it is about: a link that they put in the way leads nowhere
 * that they could not go themselves. Not for promises: what else this process does meanwhile would have those rights as well.
 * A process that is not root's works as itself.
 */
export function asUser<T>(user: FileOwner, work: () => T): T {
  const { geteuid, getegid, getgroups, seteuid, setegid, setgroups } = process
  if (geteuid?.() !== 0 || !getegid || !getgroups || !seteuid || !setegid || !setgroups) return work()
  const [group, groups] = [getegid(), getgroups()]
  try {
    setgroups([])
    setegid(user.gid)
    seteuid(user.uid)
    return work()
  } finally {
    seteuid(0)
    setegid(group)
    setgroups(groups)
  }
}
