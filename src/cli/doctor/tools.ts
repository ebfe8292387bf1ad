/** What a target needs so that playbooks can run there. Every probe only reads. */

import { findLostArgv, runOfPin } from '../../steps/compose/lost.ts'
import { lines } from '../../steps/contract/plain-text.ts'
import type { Transport } from '../../transport/transport.ts'
import { bad, type Finding, good, unseen } from './finding.ts'
import { bytes } from './here.ts'

const PROBE_MS = 15_000
const ROOT_LEAST_BYTES = 5 * 1000 ** 3

type Tool = { name: string; argv: string[]; fix: string }

const TOOLS: Tool[] = [
  { name: 'git', argv: ['git', '--version'], fix: 'apt-get install git' },
  { name: 'curl', argv: ['curl', '--version'], fix: 'apt-get install curl' },
  {
    name: 'docker engine',
    argv: ['docker', 'version', '--format', '{{.Server.Version}}'],
    fix: 'install Docker Engine (https://docs.docker.com/engine/install/), start it (systemctl start docker), and put the user into the group docker',
  },
  {
    name: 'compose v2',
    argv: ['docker', 'compose', 'version', '--short'],
    fix: 'apt-get install docker-compose-plugin (Docker’s packages) or docker-compose-v2 (Ubuntu’s)',
  },
  {
    name: 'buildx',
    argv: ['docker', 'buildx', 'version'],
    fix: 'apt-get install docker-buildx-plugin (Docker’s packages) or docker-buildx (Ubuntu’s)',
  },
]

/** `state`: of this machine's runs. */
export async function checkTools(transport: Transport, state: string): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const tool of TOOLS) findings.push(await checkTool(transport, tool))
  findings.push(await checkDockerRoot(transport))
  if (transport.tools === undefined) findings.push(...(await checkKept(transport, state)))
  return findings
}

/** Nothing where nothing is kept, or nobody can say. */
async function checkKept(transport: Transport, state: string): Promise<Finding[]> {
  const argv = findLostArgv(transport.name === 'local' ? state : null, '')
  const result = await transport.exec({ argv }, { timeoutMs: PROBE_MS })
  if (result.kind !== 'exited' || result.code !== 0) return []
  const lost = lines(result.stdout.toString())
  if (lost.length === 0) return []
  const runs = [...new Set(lost.map(runOfPin))]
  return [
    unseen(
      'kept images',
      `gone: ${lost.join(', ')}; without them ${runs.join(', ')} can only be rolled back with --rebuild`,
    ),
  ]
}

async function checkTool(transport: Transport, { name, argv, fix }: Tool): Promise<Finding> {
  const result = await transport.exec({ argv }, { timeoutMs: PROBE_MS })
  switch (result.kind) {
    case 'exited': {
      const out = firstLine(result.stdout.toString())
      if (result.code === 0 && out !== '') return good(name, out)
      return bad(name, firstLine(result.stderr.toString()) || `exit code ${result.code}`, fix)
    }
    case 'not-started':
      return result.why === 'not-found' ? bad(name, 'not found', fix) : bad(name, result.detail, fix)
    case 'denied':
      return unseen(name, `the daemon’s policy does not let this token ask (${result.rule})`)
    case 'timeout':
      return bad(name, `no answer within ${PROBE_MS / 1000} s`, fix)
    case 'auth-failed':
    case 'cancelled':
    case 'unreachable':
    case 'lost':
      return unseen(name, 'the target did not answer')
  }
}

async function checkDockerRoot(transport: Transport): Promise<Finding> {
  const name = 'docker disk'
  const root = await output(transport, ['docker', 'info', '--format', '{{.DockerRootDir}}'])
  if (!root?.startsWith('/')) return unseen(name, 'the engine does not tell where it keeps its images')
  const free = Number((await output(transport, ['df', '-Pk', root], 2))?.split(/\s+/)[3]) * 1024
  if (!Number.isFinite(free)) return unseen(name, `cannot tell how much is free in ${root}`)
  return free >= ROOT_LEAST_BYTES
    ? good(name, `${bytes(free)} free in ${root}`)
    : bad(
        name,
        `only ${bytes(free)} free in ${root}`,
        'docker system df shows what takes the room; docker builder prune empties the build cache',
      )
}

async function output(transport: Transport, argv: string[], line = 1): Promise<string | null> {
  const result = await transport.exec({ argv }, { timeoutMs: PROBE_MS })
  if (result.kind !== 'exited' || result.code !== 0) return null
  return result.stdout.toString().split('\n')[line - 1]?.trim() ?? null
}

const MOST = 70

const firstLine = (text: string): string => {
  const line = (text.split('\n').find(each => each.trim() !== '') ?? '').trim()
  return line.length > MOST ? `${line.slice(0, MOST - 3)}...` : line
}
