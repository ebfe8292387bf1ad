/** The obstacles between an agent of OpenClaw and the playbooks of this host. Changes nothing. */
import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { playbooksOf } from '../../app/at-host/host-playbooks.ts'
import { openLinkedHost } from '../../app/at-host/open-linked-host.ts'
import { withHost } from '../../app/at-host/with-host.ts'
import { type Approvals, readApprovals } from '../../app/openclaw/approvals.ts'
import { type DoorOptions, placesOf, UNIT } from '../../app/openclaw/layout.ts'
import { type Manifest, readManifest } from '../../app/openclaw/manifest.ts'
import { Failed } from '../../failure.ts'
import { loadConfig } from '../../hostlink/daemon/config/config-file.ts'
import { findUser, type User } from '../../hostlink/daemon/config/user.ts'
import { findProgram } from '../../hostlink/daemon/policy/program.ts'
import { judge } from '../../hostlink/daemon/policy/trust.ts'
import { quietly } from '../../process/quietly.ts'
import type { Env } from '../../process/surroundings.ts'
import { sentence } from '../../wording/word.ts'
import { FIRST_WITH_MCP, isAtLeast, openclawVersion } from '../openclaw/openclaw-version.ts'
import { nodeUser } from '../openclaw/system.ts'
import { bad, type Finding, good, unseen } from './finding.ts'

const INSTALL = 'sudo hostops openclaw install ...'

export async function checkOpenclaw(root: string, env: Env): Promise<Finding[]> {
  let manifest: Manifest | null
  try {
    manifest = readManifest(root)
  } catch (error) {
    const { message } = error as Error
    const why = error instanceof Failed ? sentence(error.failure) : message
    return [bad('install', why, 'sudo hostops doctor --openclaw')]
  }
  if (manifest === null)
    return [bad('install', 'hostops openclaw install was not called on this machine', INSTALL)]
  const { options } = manifest
  const { launcher, token } = placesOf(options)
  const user = findUser(options.user)
  const openclaw = findProgram('openclaw', env)
  return [
    versionFinding(openclaw),
    processFinding(nodeHosts(), options.user),
    launcherFinding(launcher, new Set(root === '' ? [0] : [0, process.getuid?.() ?? 0])),
    approvalsFinding(approvalsOfNode(options, openclaw), launcher, options.agent),
    tokenFinding(token, user),
    ...(await daemonFindings(options.config, token)),
    unseen(
      'gateway',
      'whether the node is connected was not looked up: openclaw nodes status   tells at the gateway',
    ),
  ]
}

function versionFinding(program: string | null): Finding {
  if (program === null) return unseen('openclaw', 'openclaw is not in PATH')
  const version = openclawVersion(program)
  if (version === null)
    return bad('openclaw', `${program} is not an OpenClaw that can be read`, `${INSTALL} --openclaw FILE`)
  if (isAtLeast(version, FIRST_WITH_MCP)) return good('openclaw', version)
  return unseen(
    'openclaw',
    `${version}: an exec may end after 30 s, as in 2026.4.20; run, then wait RUN --timeout 20s`,
  )
}

type NodeHost = { pid: number; uid: number }

/** Processes that are `openclaw node run`. */
function nodeHosts(): NodeHost[] {
  const pids = (quietly(() => readdirSync('/proc')) ?? []).filter(name => /^\d+$/.test(name))
  return pids.flatMap(pid => {
    const words = (quietly(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '').split('\0')
    const at = words.findIndex(word => /openclaw/.test(word))
    const isNodeHost = at >= 0 && words[at + 1] === 'node' && words[at + 2] === 'run'
    const stats = isNodeHost ? quietly(() => statSync(`/proc/${pid}`)) : undefined
    return stats === undefined ? [] : [{ pid: Number(pid), uid: stats.uid }]
  })
}

export function processFinding(hosts: readonly NodeHost[], user: string): Finding {
  const [first] = hosts
  if (first === undefined)
    return bad('node host', 'is not running', `systemctl start ${UNIT}; journalctl -u ${UNIT}`)
  const asRoot = hosts.find(({ uid }) => uid === 0)
  if (asRoot === undefined) return good('node host', `process ${first.pid}, uid ${first.uid}`)
  const words = `process ${asRoot.pid} runs as root: OpenClaw refuses every absolute path then`
  return bad('node host', words, `run it as ${user}: systemctl start ${UNIT}`)
}

/** As OpenClaw looks at a program before it binds it. `trusted`: who may be able to change it. */
export function launcherFinding(path: string, trusted: ReadonlySet<number>): Finding {
  const name = 'launcher'
  if (!isAbsolute(path)) return bad(name, `${path} is not an absolute path`, INSTALL)
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return bad(name, `${path} is not there`, INSTALL)
  if (stats.isSymbolicLink())
    return bad(name, `${path} is a link: approvals hold for the file itself`, INSTALL)
  if (!stats.isFile()) return bad(name, `${path} is not a file`, INSTALL)
  const magic = beginningOf(path)
  if (magic.startsWith('#!'))
    return bad(name, `${path} is a script (#!), which OpenClaw does not bind`, INSTALL)
  if (magic !== '\x7fELF') return bad(name, `${path} is not a native program`, INSTALL)
  if ((stats.mode & 0o111) === 0) return bad(name, `${path} cannot be executed`, `chmod 0755 ${path}`)
  const { unsafe } = judge(path, trusted)
  if (unsafe !== null) return bad(name, unsafe.reason, unsafe.hint ?? `${INSTALL} --dir DIR`)
  return good(name, path)
}

function beginningOf(path: string): string {
  const bytes = Buffer.alloc(4)
  const descriptor = openSync(path, 'r')
  try {
    return bytes.toString('latin1', 0, readSync(descriptor, bytes))
  } finally {
    closeSync(descriptor)
  }
}

function approvalsOfNode({ user, state }: DoorOptions, openclaw: string | null): Approvals | string {
  const node = nodeUser(user)
  const isOther = node === 'self' && findUser(user)?.uid !== process.geteuid?.()
  return isOther ? 'only root can read them' : readApprovals({ openclaw, state, node })
}

export function approvalsFinding(approvals: Approvals | string, launcher: string, agent: string): Finding {
  const name = 'approvals'
  if (typeof approvals === 'string') return unseen(name, approvals)
  const { defaults = {}, agents = {} } = approvals
  const lists = Object.entries(agents).map(([id, { allowlist = [] }]) => ({
    id,
    patterns: allowlist.map(each => each.pattern ?? ''),
  }))
  const own = lists.filter(({ patterns }) => patterns.includes(launcher)).map(({ id }) => id)
  const bare = lists
    .flatMap(({ patterns }) => patterns)
    .find(pattern => /hostops-trigger$/.test(pattern) && !isAbsolute(pattern))
  if ((agents[agent]?.security ?? defaults.security ?? 'full') === 'full')
    return bad(name, `agent ${agent} may execute everything on this node`, INSTALL)
  if (own.includes(agent) || own.includes('*')) return good(name, `${launcher}, for agent ${agent}`)
  if (own.length > 0)
    return bad(
      name,
      `${launcher} is in the list of ${own.join(', ')}, not of agent ${agent}`,
      `${INSTALL} --agent ${own[0]}, or let ${own[0]} call it`,
    )
  if (bare !== undefined) return bad(name, `${bare} is not an absolute path, and matches nothing`, INSTALL)
  return bad(name, `${launcher} is in no list`, INSTALL)
}

export function tokenFinding(file: string, user: Pick<User, 'name' | 'uid' | 'gid'> | null): Finding {
  const stats = lstatSync(file, { throwIfNoEntry: false })
  if (stats === undefined) return bad('token', `${file} is not there`, INSTALL)
  if (user === null) return unseen('token', `${file}: the user of the node host is not there`)
  const isReadable =
    (stats.uid === user.uid && stats.mode & 0o400) || (stats.gid === user.gid && stats.mode & 0o040)
  return isReadable
    ? good('token', file)
    : bad('token', `${user.name} cannot read ${file}`, `chown root:${user.gid} ${file} && chmod 0640 ${file}`)
}

async function daemonFindings(config: string, token: string): Promise<Finding[]> {
  const loaded = loadConfig(config)
  if ('problems' in loaded)
    return [bad('daemon', `${config}: ${loaded.problems[0]?.reason}`, `hostlinkd check -c ${config}`)]
  const env = { HOSTLINK_SOCKET: loaded.config.unixPath, HOSTLINK_TOKEN_FILE: token }
  try {
    const playbooks = await withHost(await openLinkedHost('hostlink', env), host => playbooksOf(host))
    return playbooks.map(({ name, problem }) =>
      problem === null ? good(name, 'may be started') : bad(name, problem, `review it, then ${INSTALL}`),
    )
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    return [bad('daemon', sentence(error.failure), 'systemctl restart hostlinkd; journalctl -u hostlinkd')]
  }
}
