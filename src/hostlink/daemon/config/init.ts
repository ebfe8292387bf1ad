/** hostlinkd init: a config, a fresh token, and on request the systemd unit; says what to type next. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { makeFolder } from '../../../process/make-folder.ts'
import { reasonWithPath } from '../../../process/system-error.ts'
import { type Ownership, setOwnership, writeOwned } from '../../../process/write-owned.ts'
import { getgid } from './accounts.ts'
import { type BinIo, complain } from './bin-io.ts'
import { loadConfig } from './config-file.ts'
import { readFlags } from './flags.ts'
import { composeText, configText, type Group, type Places, unitText } from './init-texts.ts'
import { wordProblem } from './problem.ts'

const USAGE = `usage: hostlinkd init [--config FILE] [--systemd] [--force]

Writes a config and a fresh token, and prints the lines for the container's compose file.
What is there already stays as it is.

  -c, --config FILE  the config (default: /etc/hostlink/hostlink.conf; without root
                     $XDG_CONFIG_HOME/hostlink/hostlink.conf); the token stands beside it
  --systemd          also write the systemd unit
  --force            replace config, token and unit; clients then need the new token
  --prefix DIR       put all paths below DIR
`
const FLAGS = {
  config: { type: 'string', short: 'c' },
  systemd: { type: 'boolean' },
  force: { type: 'boolean' },
  prefix: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const
type Flags = Extract<ReturnType<typeof readFlags<typeof FLAGS>>, { values: unknown }>['values']

export async function runInit(argv: readonly string[], io: BinIo): Promise<number> {
  const read = readFlags(argv, FLAGS)
  if ('reason' in read) return complain(io, `init: ${read.reason}`, read.hint ?? 'hostlinkd init --help')
  const flags = read.values
  if (flags.help) {
    io.out(USAGE)
    return 0
  }
  const places = placesFor(flags, io)
  if (places === null)
    return complain(io, 'there is no XDG_RUNTIME_DIR for the socket', 'sudo hostlinkd init')
  try {
    return init(places, flags, io)
  } catch (error) {
    const hint = io.uid === 0 ? 'look at that path' : 'sudo hostlinkd init'
    io.err(`hostlinkd: ${reasonWithPath(error)}\nhint: ${hint}\n`)
    return 1
  }
}

/** Root gets the system's places, anybody else his own. */
function placesFor({ config, prefix = '' }: Flags, { env, uid }: BinIo): Places | null {
  const below = (path: string) => (prefix === '' ? path : join(resolve(prefix), path))
  const home = env['XDG_CONFIG_HOME'] || join(env['HOME'] ?? '/', '.config')
  const isRoot = uid === 0
  const runtime = isRoot ? '/run' : env['XDG_RUNTIME_DIR']
  if (!runtime) return null
  const file =
    config === undefined
      ? below(isRoot ? '/etc/hostlink/hostlink.conf' : join(home, 'hostlink/hostlink.conf'))
      : resolve(config)
  const socketFolder = below(join(runtime, 'hostlink'))
  return {
    config: file,
    token: join(dirname(file), 'token'),
    policy: join(dirname(file), 'policy.yaml'),
    socketFolder,
    socket: join(socketFolder, 'hostlink.sock'),
    output: join(socketFolder, 'output'),
    unit: below(
      isRoot ? '/etc/systemd/system/hostlinkd.service' : join(home, 'systemd/user/hostlinkd.service'),
    ),
  }
}

function init(places: Places, flags: Flags, io: BinIo): number {
  const group = groupFor(flags, io)
  const isForced = flags.force ?? false
  const folder = dirname(places.config)
  const owner = io.uid === 0 ? { uid: 0, gid: group.gid } : undefined
  // Only a folder of our own making gets our owner and mode.
  if (makeFolder(folder, 0o750) !== undefined) setOwnership(folder, { mode: 0o750, owner })
  const token = `${randomBytes(32).toString('hex')}\n`
  keepOrWrite(places.token, token, { mode: io.uid === 0 ? 0o640 : 0o600, owner }, isForced, io)
  const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh'
  keepOrWrite(places.config, configText(places, group, shell), { mode: 0o640, owner }, isForced, io)

  const loaded = loadConfig(places.config)
  if ('problems' in loaded) {
    io.err(`${loaded.problems.map(wordProblem).join('\n')}\nhint: hostlinkd check -c ${places.config}\n`)
    return 1
  }
  const { config } = loaded
  const isUser = io.uid !== 0
  if (flags.systemd) {
    makeFolder(dirname(places.unit))
    const unit = unitText({ program: io.program, places, group, isUser })
    keepOrWrite(places.unit, unit, { mode: 0o644 }, isForced, io)
  }
  const socketFolder = dirname(config.unixPath)
  const tokenFile = config.authTokenFile ?? places.token
  io.out(`\nFor the container that may use this host, in its compose file:\n\n`)
  io.out(
    composeText(
      { token: tokenFile, socket: config.unixPath, socketFolder },
      getgid(config.unixGroup) ?? group.gid,
    ),
  )
  io.out(nextSteps(places, flags, isUser))
  return 0
}

function nextSteps(places: Places, { systemd }: Flags, isUser: boolean): string {
  const systemctl = isUser ? 'systemctl --user' : 'systemctl'
  const linger = isUser ? '  loginctl enable-linger\n' : ''
  const start = systemd
    ? `  ${systemctl} daemon-reload\n  ${systemctl} enable --now hostlinkd\n${linger}`
    : `  hostlinkd -f -c ${places.config}\n`
  return `
Next:

  hostlinkd check -c ${places.config}
${start}  HOSTLINK_TOKEN_FILE=${places.token} hostlink -s ${places.socket} ping
`
}

/** The group of those that may connect: `hostlink`, made where it is missing, else our own. */
function groupFor({ prefix }: Flags, io: BinIo): Group {
  const own = process.getgid?.() ?? 0
  if (io.uid !== 0) return { name: String(own), gid: own }
  let gid = getgid('hostlink')
  if (gid === null && prefix === undefined) {
    try {
      execFileSync('groupadd', ['--system', 'hostlink'], { stdio: 'ignore' })
      gid = getgid('hostlink')
      if (gid !== null) io.out('made the group hostlink\n')
    } catch {
      // Told below.
    }
  }
  if (gid !== null) return { name: 'hostlink', gid }
  io.out(
    `there is no group hostlink: the socket is for group ${own} only\nhint: groupadd --system hostlink\n`,
  )
  return { name: String(own), gid: own }
}

function keepOrWrite(path: string, text: string, ownership: Ownership, isForced: boolean, io: BinIo): void {
  if (existsSync(path)) {
    if (!isForced) {
      io.out(`is there already, and stays: ${path}${wayToReplace(path, text)}\n`)
      return
    }
    io.out(`replaced: ${path}\n`)
  } else {
    io.out(`wrote: ${path}\n`)
  }
  writeOwned(path, text, ownership)
}

/** A unit can be had anew without a new token, which `--force` makes as well. */
function wayToReplace(path: string, text: string): string {
  if (!path.endsWith('.service')) return ' (replace it with --force)'
  return readFileSync(path, 'utf8') === text ? '' : ' (it differs; for the new one, remove it first)'
}
