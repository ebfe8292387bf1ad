/** A target of the Docker matrix: through hostlink it is a daemon on this machine, whose commands find the same engine. */
import { startDaemonRig } from './daemon.ts'
import type { TARGETS } from './docker.ts'

export type Reached = {
  /** Of `hostops run`. */
  args: string[]
  /** Of the client, which knows of no engine where a daemon does. */
  env: NodeJS.ProcessEnv
  stop(): Promise<void>
}

export async function reach(
  target: (typeof TARGETS)[number],
  home: string,
  engine: Readonly<Record<string, string>> = {},
): Promise<Reached> {
  if (target === 'local') return { args: [], env: engine, stop: async () => {} }
  const names = Object.keys(engine)
  const config = names.length > 0 ? { env_allow: names.join(',') } : {}
  const daemon = await startDaemonRig({ config, env: { HOME: home, ...engine } })
  return {
    args: ['--target', target],
    env: { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token },
    stop: daemon.stop,
  }
}
