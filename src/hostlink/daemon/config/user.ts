/** Becoming another user for good. */
import { readFileSync } from 'node:fs'

export type User = {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
  readonly shell: string
}

/** By name or number; null when there is no such user. */
export function findUser(wanted: string): User | null {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid, , home, shell] = line.split(':')
    if (name === undefined || uid === undefined || (name !== wanted && uid !== wanted)) continue
    return { name, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell || '/bin/sh' }
  }
  return null
}

/** In Node since long, in its types not. */
const system: NodeJS.Process & { initgroups?: (user: string, gid: number) => void } = process

/** Throws when the system does not let us; nothing of root is left afterwards. */
export function becomeUser({ name, uid, gid }: User): void {
  if (process.getuid?.() === uid && process.getgid?.() === gid) return
  system.initgroups?.(name, gid)
  process.setgid?.(gid)
  process.setuid?.(uid)
}

/** The environment that this user's commands begin with. systemd gives root none of these. */
export function loginEnvironment(
  user: User | null,
  hostEnv: NodeJS.ProcessEnv,
  replace: boolean,
): NodeJS.ProcessEnv {
  if (user === null) return { ...hostEnv }
  const login = { HOME: user.home, USER: user.name, LOGNAME: user.name, SHELL: user.shell }
  return replace ? { ...hostEnv, ...login } : { ...login, ...hostEnv }
}
