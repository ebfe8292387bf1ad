/** `hostops mcp`: serves the playbooks of one place to an MCP client on stdin and stdout. */
import { resolve } from 'node:path'
import { targetFailure } from '../../app/connect-to.ts'
import type { Failure } from '../../failure.ts'
import { EXIT_OK, EXIT_USAGE } from '../../report/exit-code.ts'
import { stateDir } from '../../runs/runs-folder.ts'
import { isHostlink, isNode } from '../../transport/target.ts'
import { readCatalogOptions } from '../open/catalog-options.ts'
import { opener } from '../open/opener.ts'
import { wordedError } from '../print/print-failure.ts'
import type { Io } from '../terminal/io.ts'

export type McpOptions = { target?: string; playbooks?: string; config?: string }

/** Variables that a client's own environment may lack. A token itself is not written into anybody's config. */
const PASSED_ON = [
  'HOSTLINK_SOCKET',
  'HOSTLINK_TOKEN_FILE',
  'HOSTOPS_CONFIG',
  'HOSTOPS_PLAYBOOKS',
  'HOSTOPS_STATE_DIR',
]

export async function mcp({ target: given, ...named }: McpOptions, io: Io): Promise<number> {
  const options = Object.fromEntries(
    Object.entries(named).map(([name, path]) => [name, resolve(io.cwd, path)]),
  )
  // Not the folder that a client happens to start this in: whoever writes there would choose what runs.
  const around = { ...io, cwd: '/' }
  const catalog = readCatalogOptions(options, around)
  if (catalog === null) return EXIT_USAGE
  const { settings } = catalog
  const target = given ?? settings.target ?? 'local'
  const wrong = targetFailure(target) ?? noRunsAt(target)
  if (wrong !== null) {
    io.stderr.write(wordedError(wrong))
    return EXIT_USAGE
  }
  if (process.stdin.isTTY) io.stderr.write(invitation(target, given, options, io))
  const { serveMcp } = await import('../../serve/mcp/server.ts')
  const place = {
    ...{ target, isTargetGiven: given !== undefined, state: stateDir(around, settings.stateDir) },
    ...{ options, settings, around, openHost: opener({ ...options, owner: 'agent' }, around) },
  }
  const say = (line: string) => io.stderr.write(`${line}\n`)
  await serveMcp({ place, stdin: process.stdin, stdout: process.stdout, say })
  return EXIT_OK
}

const noRunsAt = (target: string): Failure | null =>
  target === 'local' || isHostlink(target) || isNode(target)
    ? null
    : { ...{ code: 'usage', what: 'no-runs-at' }, target }

function invitation(
  target: string,
  given: string | undefined,
  options: Readonly<Record<string, string>>,
  { env }: Io,
): string {
  const args = [
    ...[process.argv[1] ?? 'hostops', 'mcp'],
    ...(given === undefined ? [] : ['--target', given]),
    ...Object.entries(options).flatMap(([name, path]) => [`--${name}`, path]),
  ]
  const passed = Object.fromEntries(PASSED_ON.flatMap(name => (env[name] ? [[name, env[name]]] : [])))
  const server = {
    command: process.execPath,
    args,
    ...(Object.keys(passed).length === 0 ? {} : { env: passed }),
  }
  const config = JSON.stringify({ mcpServers: { hostops: server } }, null, 2)
  return `hostops mcp waits for an MCP client on stdin and offers it the playbooks of ${target}; Ctrl-D ends it. For the client's config:\n${config}\n`
}
