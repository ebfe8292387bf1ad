/** The way to a hostlink daemon: its socket, the token, and what the daemon says of itself. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { connect } from '../../hostlink/link/client.ts'
import { type EndpointProblem, resolveEndpoint } from '../../hostlink/link/endpoint.ts'
import type { Endpoint, LinkFailure } from '../../hostlink/link/link.ts'
import type { PingAnswer } from '../../hostlink/messages.ts'
import type { Io } from '../terminal/io.ts'
import { bad, type Finding, good } from './finding.ts'

const NEEDED = ['argv', 'stream', 'keep_alive', 'key', 'cancel'] as const
const CONNECT_MS = 5000

/** `policy`: of the token, as far as the daemon tells. */
export async function checkLink(
  target: string,
  io: Io,
): Promise<{ findings: Finding[]; policy: string | null }> {
  const name = target.slice('hostlink:'.length)
  const resolved = resolveEndpoint(name === '' ? {} : { target: name }, io.env, readText)
  if (!resolved.ok)
    return {
      findings: [
        bad(
          'endpoint',
          problemInWords(resolved.problem),
          'set HOSTLINK_SOCKET and HOSTLINK_TOKEN_FILE, or write targets.conf (README: hostlink)',
        ),
      ],
      policy: null,
    }
  const { endpoint } = resolved
  const findings = [...checkSocket(endpoint), ...checkTokenFile(endpoint)]
  const link = await connect(endpoint, { connectTimeoutMs: CONNECT_MS, answerTimeoutMs: CONNECT_MS })
  if (!link.ok) return { findings: [...findings, failed(link.failure)], policy: null }
  link.value.close()
  const { hello } = link.value
  return { findings: [...findings, ...introduce(hello)], policy: hello.policy ?? null }
}

function checkSocket({ at }: Endpoint): Finding[] {
  if (at.kind !== 'unix') return []
  try {
    const stat = statSync(at.path)
    const mode = (stat.mode & 0o777).toString(8)
    if (!stat.isSocket())
      return [
        bad(
          'socket',
          `${at.path} is no socket`,
          'is HOSTLINK_SOCKET right? hostlinkd prints its path when it starts',
        ),
      ]
    accessSync(at.path, constants.R_OK | constants.W_OK)
    return stat.mode & 0o007
      ? [
          bad(
            'socket',
            `${at.path} is open to everybody (mode ${mode})`,
            `chmod 660 ${at.path}, and unix_mode = 0660 in hostlink.conf`,
          ),
        ]
      : [good('socket', `${at.path}, mode ${mode}`)]
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'EACCES'
      ? [
          bad(
            'socket',
            `${at.path}: permission denied`,
            'put this user into the socket’s group (usermod -aG hostlink USER), then log in again',
          ),
        ]
      : [
          bad(
            'socket',
            message,
            'start the daemon on the host (hostlinkd -c /etc/hostlink/hostlink.conf); in a container, mount the socket’s folder',
          ),
        ]
  }
}

function checkTokenFile({ tokenFrom, tokenFile: file }: Endpoint): Finding[] {
  const stat = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })
  if (file === undefined || stat === undefined || !stat.isFile()) return [good('token', `from ${tokenFrom}`)]
  const mode = (stat.mode & 0o777).toString(8)
  return stat.mode & 0o027
    ? [bad('token', `${file} has mode ${mode}`, `chmod 640 ${file}`)]
    : [good('token', `from ${tokenFrom}, mode ${mode}`)]
}

function introduce(hello: PingAnswer): Finding[] {
  const features = hello.features ?? []
  const missing = NEEDED.filter(feature => !features.includes(feature))
  return [
    good(
      'daemon',
      `${hello.node}${hello.server ? `, ${hello.server}` : ', without additions'}, up ${hello.uptime_s} s`,
    ),
    missing.length === 0
      ? good('features', features.join(', '))
      : bad(
          'features',
          `the daemon lacks ${missing.join(', ')}: steps run as shell text, and a lost link leaves their end unknown`,
          'install hostops’ own hostlinkd on the host',
        ),
    good(
      'policy',
      `${hello.policy ?? 'full (the daemon has no policies)'}${hello.token_name ? `, as token ${hello.token_name}` : ''}`,
    ),
  ]
}

function failed(failure: LinkFailure): Finding {
  switch (failure.kind) {
    case 'connect':
      return bad(
        'daemon',
        `cannot connect: ${failure.reason}`,
        'is hostlinkd running there? systemctl status hostlinkd',
      )
    case 'auth':
      return bad(
        'daemon',
        'it does not accept the token',
        'take the token that hostlinkd init printed on the host',
      )
    case 'timeout':
      return bad('daemon', `no answer within ${failure.afterMs} ms`, 'systemctl restart hostlinkd')
    case 'refused':
      return bad('daemon', failure.message, 'look at its log: journalctl -u hostlinkd')
    case 'protocol':
    case 'lost':
      return bad('daemon', failure.reason, 'is there really a hostlinkd behind this address?')
    case 'cancelled':
    case 'unsupported':
      return bad('daemon', failure.kind, 'try again')
  }
}

function problemInWords(problem: EndpointProblem): string {
  switch (problem.kind) {
    case 'conflict':
      return `${problem.options.join(' and ')} exclude each other`
    case 'bad-address':
      return `${problem.text} is no address`
    case 'no-targets-file':
      return `no targets.conf in ${problem.searched.join(', ')}`
    case 'targets-file':
      return `${problem.file}: ${problem.reason}`
    case 'targets-invalid':
      return problem.problems.map(({ file, line, reason }) => `${file}:${line}: ${reason}`).join('; ')
    case 'unknown-target':
      return `${problem.file} has no target ${problem.name}; it has ${problem.known.join(', ') || 'none'}`
    case 'no-token':
      return 'there is no token'
    case 'token-file':
      return `${problem.file} (from ${problem.from}): ${problem.reason}`
    case 'bad-token':
      return `the token from ${problem.from} is none: empty, or with a line end inside`
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
