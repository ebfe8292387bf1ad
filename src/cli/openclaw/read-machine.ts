/** Reads what `hostops openclaw install` has to know of this machine. Throws `Failed` for what stands in its way. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { elfLauncher } from '../../app/openclaw/elf-launcher.ts'
import { grantOf } from '../../app/openclaw/grant.ts'
import type { Door } from '../../app/openclaw/install.ts'
import { DEFAULT_DIR, type DoorOptions, placesOf } from '../../app/openclaw/layout.ts'
import type { Manifest } from '../../app/openclaw/manifest.ts'
import { packagePath } from '../../build/package-path.ts'
import { commandMistake } from '../../failure.ts'
import { loadOffers } from '../../host/offered-playbooks.ts'
import { getgid } from '../../hostlink/daemon/config/accounts.ts'
import type { Config } from '../../hostlink/daemon/config/config.ts'
import { loadConfig } from '../../hostlink/daemon/config/config-file.ts'
import { wordProblem } from '../../hostlink/daemon/config/problem.ts'
import { findUser } from '../../hostlink/daemon/config/user.ts'
import { findProgram } from '../../hostlink/daemon/policy/program.ts'
import { judge } from '../../hostlink/daemon/policy/trust.ts'
import { IS_LINUX, SYSTEM_NAME } from '../../process/platform.ts'
import type { Env } from '../../process/surroundings.ts'
import { printable } from '../../wording/printable.ts'
import { FIRST_WITH_MCP, isAtLeast, openclawVersion } from './openclaw-version.ts'
import { nodeUser } from './system.ts'

export type InstallOptions = {
  playbook?: string[]
  pin?: string[]
  free?: string[]
  agent: string
  user: string
  state?: string
  openclaw?: string
  gateway: string
  config: string
  dir: string
  service: boolean
  root: string
  yes?: boolean
  dryRun?: boolean
}

const MCP_WORDS = ['mcp', '--target', 'hostlink']

export async function readDoor(given: InstallOptions, before: Manifest | null, env: Env): Promise<Door> {
  const options = doorOptions(given)
  requireSamePlace(options, before)
  requireFolders(options)
  const node = nodeUser(options.user)
  if (node === 'missing' && options.root !== '')
    throw commandMistake(`there is no user ${options.user}`, '--user nobody')
  const config = daemonConfig(options)
  const places = placesOf(options)
  const openclaw = findOpenclaw(given.openclaw, env)
  const version = openclawVersion(openclaw)
  const hasMcp = version !== null && isAtLeast(version, FIRST_WITH_MCP)
  const socket = config.unixPath
  const vars = { HOSTLINK_SOCKET: socket, HOSTLINK_TOKEN_FILE: places.token }
  const program = nodeHere(options.root)
  return {
    ...{ options, openclaw, node },
    ...(await grantsOf(given, config, env)),
    group: config.unixGroup,
    launcher: elfLauncher({ arch: archHere(), program, words: [places.script], env: vars }),
    script: readFileSync(packagePath('dist/hostops-trigger.cjs')),
    skill: skillText(places.launcher),
    token: randomBytes(32).toString('hex'),
    mcp: hasMcp
      ? { command: program, args: [packagePath('dist/hostops.cjs'), ...MCP_WORDS], env: vars }
      : null,
    hasService: given.service && existsSync(join(options.root, '/run/systemd/system')),
  }
}

function doorOptions(given: InstallOptions): DoorOptions {
  const { user, agent, root } = given
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(user))
    throw commandMistake(`--user: ${user} is not a name of a user`, '--user openclaw-node')
  if (user === 'root' || findUser(user)?.uid === 0)
    throw commandMistake(
      'a node host that runs as root is refused by OpenClaw for every absolute path',
      '--user openclaw-node',
    )
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$|^\*$/.test(agent))
    throw commandMistake('--agent is not the id of an agent', '--agent main')
  const gateway = /^([A-Za-z0-9.-]+|\[[0-9a-f:]+\]):(\d{1,5})$/.exec(given.gateway)
  if (gateway === null) throw commandMistake('--gateway is not HOST:PORT', '--gateway 127.0.0.1:18789')
  const at = (path: string) => (root === '' ? path : join(root, path))
  for (const path of [given.dir, given.config, given.state ?? '/']) requirePlainPath(path)
  return {
    ...{ user, agent, root },
    gateway: { host: gateway[1]!, port: Number(gateway[2]) },
    dir: at(given.dir),
    config: at(given.config),
    state: resolve(at(given.state ?? `/var/lib/${user}`)),
  }
}

function findOpenclaw(given = 'openclaw', env: Env): string {
  const found = findProgram(given, env)
  if (found === null)
    throw commandMistake(
      `program ${given} not found`,
      'install OpenClaw for all users (npm install --global openclaw), or name it: --openclaw /usr/bin/openclaw',
    )
  requirePlainPath(found)
  return found
}

/** Another user's rights could not remove what this user's install has put into the state folder. */
function requireSamePlace({ user, state }: DoorOptions, before: Manifest | null): void {
  const { options } = before ?? {}
  if (options === undefined || (options.user === user && options.state === state)) return
  throw commandMistake(`installed for user ${options.user} in ${options.state}`, 'hostops openclaw uninstall')
}

/** Only the last folder of each is made. In a folder of other users the state folder could become another one meanwhile. */
function requireFolders({ dir, state, user }: DoorOptions): void {
  const { found, unsafe } = judge(dirname(state), new Set([0, process.geteuid?.() ?? 0]))
  if (unsafe !== null) throw commandMistake(`--state: ${unsafe.reason}`, `--state /var/lib/${user}`)
  const missing = found === null ? dirname(state) : existsSync(dirname(dir)) ? null : dirname(dir)
  if (missing !== null) throw commandMistake(`${missing} does not exist`, `mkdir -p ${missing}`)
}

function requirePlainPath(path: string): void {
  if (!isAbsolute(path)) throw commandMistake(`${path} is not an absolute path`, `--dir ${DEFAULT_DIR}`)
  // The unit and hostlink.conf would read such a path in ways of their own.
  if (/[\s%$"'\\\p{Cc}]/u.test(path))
    throw commandMistake(`${JSON.stringify(path)} has a blank or a quote, % or $`, `--dir ${DEFAULT_DIR}`)
}

function daemonConfig({ config: file, root }: DoorOptions): Config {
  const loaded = loadConfig(file)
  if ('problems' in loaded)
    throw commandMistake(
      loaded.problems.map(({ hint: _, ...problem }) => wordProblem(problem)).join('; '),
      existsSync(file)
        ? `hostlinkd check -c ${printable(file)}`
        : 'hostlinkd init --systemd   writes the config of the daemon',
    )
  const { config } = loaded
  const gid = getgid(config.unixGroup)
  const full = config.authTokenFile ?? file
  const stats = statSync(full)
  // Whoever may connect to the socket is in this group, and the node host is going to be.
  if (root === '' && stats.gid === gid && stats.mode & 0o040)
    throw commandMistake(
      `group ${config.unixGroup}, which the node host will be in, can read ${full}: its agents could do everything`,
      `chmod 0600 ${full}   after every container that uses it has a token of its own (examples/openclaw/README.md)`,
    )
  return config
}

async function grantsOf(
  given: InstallOptions,
  config: Config,
  env: Env,
): Promise<Pick<Door, 'grants' | 'secrets'>> {
  const { playbook = ['upgrade-openclaw'], pin = [], free = ['ref'] } = given
  for (const pair of pin)
    if (!/^\w+=/.test(pair))
      throw commandMistake(`--pin ${pair} is not KEY=VALUE`, '--pin repoPath=/srv/openclaw')
  const pins = Object.fromEntries(pin.map(pair => [pair.split('=')[0]!, pair.slice(pair.indexOf('=') + 1)]))
  const offered = (await loadOffers())({ kind: 'full' }, config, env)
  if (typeof offered === 'string') throw commandMistake(offered, `hostlinkd check -c ${config.file}`)
  requireInputs([...Object.keys(pins), ...(given.free ?? [])], playbook, offered)
  const secrets = offered.flatMap(({ inputs }) => inputs.filter(({ type }) => type === 'secret'))
  const grants = playbook.map(name => {
    const found = offered.find(each => each.name === name)
    if (found?.digest == null || found.problem !== null)
      throw commandMistake(
        `no playbook ${name} is installed on this host${found ? `: ${found.problem}` : ''}`,
        `hostops list; put it into ${config.playbooksDir}`,
      )
    const grant = grantOf({ name, digest: found.digest, inputs: found.inputs }, pins, free)
    if (typeof grant === 'string') throw commandMistake(grant, `hostops show ${name}   lists its inputs`)
    return grant
  })
  return { grants, secrets: secrets.map(({ name }) => name) }
}

/** A typing mistake would leave an input at its default, or free. */
function requireInputs(
  names: readonly string[],
  playbooks: readonly string[],
  offered: readonly { name: string; inputs: readonly { name: string }[] }[],
): void {
  const granted = offered.filter(({ name }) => playbooks.includes(name))
  const isKnown = (name: string) => granted.some(({ inputs }) => inputs.some(input => input.name === name))
  const unknown = names.find(name => !isKnown(name))
  if (granted.length === 0 || unknown === undefined) return
  throw commandMistake(
    `no granted playbook has an input ${unknown}`,
    `hostops show ${playbooks[0]}   lists its inputs`,
  )
}

/** Node as the launcher names it: nobody but root may be able to put another one in its place. */
function nodeHere(root: string): string {
  const node = realpathSync(process.execPath)
  const { unsafe } = judge(node, new Set([0]))
  if (unsafe === null || root !== '') return node
  throw commandMistake(
    `users other than root can change ${node}`,
    'install Node for all users (not with nvm), and run hostops with that one',
  )
}

function archHere(): 'x64' | 'arm64' {
  const { arch } = process
  if (IS_LINUX && (arch === 'x64' || arch === 'arm64')) return arch
  throw commandMistake(
    `there is no launcher for ${SYSTEM_NAME} on ${arch}`,
    'from OpenClaw 2026.9 on, the MCP server needs none: nodeHost.mcp.servers in docs/how-to/openclaw.md',
  )
}

const skillText = (launcher: string): string =>
  readFileSync(packagePath('examples/openclaw/skill/SKILL.md'), 'utf8').replaceAll(
    `${DEFAULT_DIR}/hostops-trigger`,
    launcher,
  )
