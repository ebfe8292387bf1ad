/** Users and services of this machine, by its own programs. Under another root nothing of them is touched. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { NodeUser } from '../../app/openclaw/install.ts'
import { type DoorOptions, UNIT } from '../../app/openclaw/layout.ts'
import { commandMistake } from '../../failure.ts'
import { findUser } from '../../hostlink/daemon/config/user.ts'

export const hasSystemd = ({ root }: DoorOptions): boolean => root === '' && existsSync('/run/systemd/system')

export function nodeUser(name: string): NodeUser {
  if (process.geteuid?.() !== 0) return 'self'
  const user = findUser(name)
  return user === null ? 'missing' : { uid: user.uid, gid: user.gid }
}

export function makeUser({ user, state }: DoorOptions): void {
  run([
    'useradd',
    '--system',
    '--user-group',
    '--no-create-home',
    '--home-dir',
    state,
    '--shell',
    '/usr/sbin/nologin',
    user,
  ])
}

/** False if it is still there. */
export const removeUser = ({ user, root }: DoorOptions): boolean =>
  root !== '' || findUser(user) === null || spawnSync('userdel', [user], { stdio: 'ignore' }).status === 0

export function startService(): void {
  run(['systemctl', 'daemon-reload'])
  run(['systemctl', 'enable', UNIT])
  run(['systemctl', 'restart', UNIT])
}

/** A service that is not there needs no stopping. */
export function stopService(): void {
  spawnSync('systemctl', ['disable', '--now', UNIT], { stdio: 'ignore' })
}

export function reloadDaemon(): void {
  spawnSync('systemctl', ['daemon-reload'], { stdio: 'ignore' })
  run(['systemctl', 'reload', 'hostlinkd'])
}

function run([program = '', ...args]: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (status === 0) return
  const last = error?.message ?? stderr.trim().split('\n').at(-1)
  throw commandMistake(
    `${[program, ...args].join(' ')}: ${last}`,
    'fix that, then run the same command again',
  )
}
