/** Where programs keep what belongs to one user. Null where this user has no home. */
import { userInfo } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { forPlatform } from './platform.ts'
import type { Env } from './surroundings.ts'

/** What a program has made, and nobody looks for. */
export const userStateFolder = (env: Env): string =>
  join(forPlatform({ posix: stateOf, windows: localOf })(env), 'hostops')

/** What its user has written. */
export const userConfigFolder = (env: Env): string | null =>
  forPlatform({ posix: configOf, windows: roamingOf })(env)

function stateOf(env: Env): string {
  const xdg = env['XDG_STATE_HOME']
  return xdg && isAbsolute(xdg) ? xdg : join(homeOf(env), '.local', 'state')
}

/** Of a user without a home (a number given to a container) it is where nothing can be written, which is told. */
function homeOf({ HOME: home }: Env): string {
  if (home && isAbsolute(home)) return home
  try {
    return userInfo().homedir
  } catch {
    return '/'
  }
}

function configOf({ XDG_CONFIG_HOME: xdg, HOME: home }: Env): string | null {
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'hostops')
  return home !== undefined && isAbsolute(home) ? join(home, '.config', 'hostops') : null
}

/** Private by inheritance: nobody else has rights in a user's profile. */
const localOf = ({ LOCALAPPDATA: local }: Env): string =>
  local && isAbsolute(local) ? local : join(userInfo().homedir, 'AppData', 'Local')

const roamingOf = ({ APPDATA: roaming }: Env): string | null =>
  roaming && isAbsolute(roaming) ? join(roaming, 'hostops') : null
