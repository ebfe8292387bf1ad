/** The sockets that the daemon listens on; on a Unix path, only ever one daemon at a time. */
import { createHash } from 'node:crypto'
import { chmodSync, lchownSync, lstatSync, statSync, unlinkSync } from 'node:fs'
import {
  type AddressInfo,
  connect,
  createServer,
  type ListenOptions,
  type Server,
  type Socket,
} from 'node:net'
import { basename, dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeFolder } from '../../../process/make-folder.ts'
import { IS_LINUX } from '../../../process/platform.ts'
import { systemReason } from '../../../process/system-error.ts'
import { getgid } from '../config/accounts.ts'
import type { Config } from '../config/config.ts'
import type { Log } from '../config/log.ts'

export type Listening = {
  readonly places: readonly string[]
  /** The socket's folder, where it was not there before. */
  readonly madeFolder: string | null
  /** Takes no more connections and removes the socket. */
  close(): void
}
export type Refused = { readonly refused: string; readonly hint?: string }
export type Accept = (socket: Socket, name: string) => void

const FOLDER_MODE = 0o750
const PROBE_MS = 2000
/** From the name to the socket a daemon takes milliseconds; on a machine under load, longer. */
const CLAIM_MS = 5000
const CLAIM_LOOK_MS = 100

export async function listen(config: Config, accept: Accept, log: Log): Promise<Listening | Refused> {
  const open: Server[] = []
  const places: string[] = []
  let madeFolder: string | null = null
  const close = () => {
    for (const server of open) server.close()
  }
  const listening = async (): Promise<Refused | null> => {
    if (config.unixEnabled) {
      const folder = prepareFolder(config, log)
      if (folder !== null && typeof folder !== 'string') return folder
      madeFolder = folder
      const failed = await listenOnPath(config, accept, log, open)
      if (failed) return failed
      places.push(config.unixPath)
    }
    if (!config.tcpEnabled) return null
    const server = await bindTcp(config, accept)
    if ('refused' in server) return server
    open.push(server)
    places.push(`${config.tcpBind}:${(server.address() as AddressInfo).port}`)
    return null
  }
  const refused = await listening()
  if (refused === null) return { places, madeFolder, close }
  close()
  return refused
}

/** Adds to `open` what is to be closed again, also where it answers with a refusal. */
async function listenOnPath(
  config: Config,
  accept: Accept,
  log: Log,
  open: Server[],
): Promise<Refused | null> {
  const path = config.unixPath
  const alone = await claim(path, log)
  if (alone !== null && 'refused' in alone) return alone
  if (alone !== null) open.push(alone)
  const stale = await removeStale(path)
  if (stale) return stale
  const server = await bindUnix(config, socket => accept(socket, 'unix'))
  if ('refused' in server) return server
  open.push(server)
  return giveToGroup(config, path, log)
}

const bindTcp = (config: Config, accept: Accept) =>
  bind({ host: config.tcpBind, port: config.tcpPort }, socket => {
    socket.setNoDelay(true)
    // A peer that vanished without a word is noticed by the kernel, which asks it.
    socket.setKeepAlive(true, 10_000)
    accept(socket, `tcp:${socket.remoteAddress}:${socket.remotePort}`)
  })

function bind(where: ListenOptions, onSocket: (socket: Socket) => void): Promise<Server | Refused> {
  const server = createServer({ allowHalfOpen: true }, onSocket)
  const place = where.path ?? `${where.host}:${where.port}`
  return new Promise(resolve => {
    server.once('error', error => resolve({ refused: `cannot listen on ${place}: ${words(error)}` }))
    server.listen({ ...where, backlog: 1024 }, () => {
      server.removeAllListeners('error')
      // Failing to accept one connection (too many open files) is no reason to end.
      server.on('error', () => {})
      resolve(server)
    })
  })
}

/** The socket is born with its mode: changing that by name could hit what somebody put in its place. */
function bindUnix({ unixPath, unixMode }: Config, onSocket: (socket: Socket) => void) {
  const umask = process.umask(0o777 & ~unixMode)
  try {
    return bind({ path: unixPath }, onSocket)
  } finally {
    process.umask(umask)
  }
}

const words = (error: Error): string =>
  (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'address already in use' : systemReason(error)

/**
 * A name in Linux' abstract namespace is free again the moment its holder dies, and nobody can remove it: of two
 * daemons that start at once, one gets it. Made of the folder's identity, so that two paths to one folder are one.
 * Any user of the machine can take the name, too: who holds it and does not come to listen is no daemon, and keeps
 * none from starting.
 */
async function claim(path: string, log: Log): Promise<Server | Refused | null> {
  if (!IS_LINUX) return null
  const folder = statSync(dirname(path))
  const name = createHash('sha256')
    .update(`${folder.dev}:${folder.ino}:${basename(path)}`)
    .digest('hex')
  const deadline = Date.now() + CLAIM_MS
  for (;;) {
    const server = await bind({ path: `\0hostlinkd:${name}` }, socket => void socket.destroy())
    if (!('refused' in server)) return server
    if (await isAnswering(path)) return alreadyThere(path)
    if (Date.now() >= deadline) break
    await sleep(CLAIM_LOOK_MS)
  }
  log.warn(
    `the name that keeps a second daemon from ${path} is taken by another program: going on without it`,
  )
  return null
}

const alreadyThere = (path: string): Refused => ({
  refused: `another hostlinkd has ${path}`,
  hint: 'stop that one first, or give this one another unix_path',
})

/** A socket that nobody listens on was left behind by a daemon that died. */
async function removeStale(path: string): Promise<Refused | null> {
  try {
    if (!lstatSync(path).isSocket()) {
      return { refused: `${path} is there and is not a socket`, hint: `look at it: ls -l ${path}` }
    }
  } catch {
    return null
  }
  if (await isAnswering(path)) return alreadyThere(path)
  try {
    unlinkSync(path)
    return null
  } catch (error) {
    return { refused: `cannot remove the stale socket ${path}: ${systemReason(error)}` }
  }
}

function isAnswering(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(path)
    const settle = (answer: boolean) => {
      probe.destroy()
      resolve(answer)
    }
    probe.setTimeout(PROBE_MS, () => settle(true))
    probe.once('connect', () => settle(true))
    probe.once('error', error => settle((error as NodeJS.ErrnoException).code === 'EAGAIN'))
  })
}

/** A folder that is there keeps its owner and mode: somebody chose them. */
function prepareFolder(config: Config, log: Log): Refused | string | null {
  const folder = dirname(config.unixPath)
  try {
    const made = makeFolder(folder, FOLDER_MODE)
    if (made === undefined) return null
    const unfit = giveToGroup(config, folder, log)
    chmodSync(folder, FOLDER_MODE)
    return unfit ?? folder
  } catch (error) {
    return { refused: `cannot make the folder ${folder}: ${systemReason(error)}` }
  }
}

/** A group that the config names must be given; the default one is given where it exists. */
function giveToGroup(config: Config, path: string, log: Log): Refused | null {
  const isNamed = config.lines.has('unix_group')
  const gid = getgid(config.unixGroup)
  let fault = gid === null ? `there is no group ${config.unixGroup}` : null
  try {
    if (gid !== null) lchownSync(path, -1, gid)
  } catch (error) {
    fault = `cannot give ${path} to the group ${config.unixGroup}: ${systemReason(error)}`
  }
  if (fault !== null && isNamed)
    return { refused: fault, hint: `groupadd ${config.unixGroup}, or change unix_group` }
  if (fault !== null) log.debug(`${fault}; ${path} keeps its own group`)
  return null
}
