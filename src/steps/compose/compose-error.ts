/** What the end of a docker command means. Besides progress.ts the only place that reads the words of Docker and Compose. */
import { Failed, type Failure, type PullProblem } from '../../failure.ts'
import { lines, tailOf } from '../contract/plain-text.ts'
import type { Done } from '../contract/step.ts'
import { UNKNOWN, withoutQuotes } from './foreign.ts'

const NO_PROGRAM = 127
const NO_FILE = 14
const BAD_FILE = 15

/**
 * `words`: a tree can have Compose quote files of the host while it loads a stack, so that what it says then is told only by
 * those who know what it reads.
 */
export function composeFailed(dir: string, verb: string, done: Done, words: 'safe' | 'all' = 'safe'): Failed {
  const failed = failureOf(dir, verb, done)
  return words === 'all' || verb !== 'config' ? failed : withoutQuotes(failed, UNKNOWN)
}

function failureOf(dir: string, verb: string, done: Done): Failed {
  const excerpt = buildExcerpt(lines(endOf(done, 'stdout')))
  const said = [...excerpt, ...lines(endOf(done, 'stderr'))]
  const known = ofHost(said, done.code) ?? ofStack(said, dir, verb, done.code)
  if (known !== null) return new Failed(known)
  const cause = excerpt.findLast(text => /error|fatal|panic|failed|cannot/i.test(text)) ?? excerpt.at(-1)
  return new Failed({
    code: 'compose-failed',
    dir,
    verb,
    exitCode: done.code,
    tail: tailOf(done),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** What is wrong with the host, whichever stack it is. The words of Docker 20.10 to 28, by what is tried first. */
function ofHost(said: readonly string[], exitCode: number): Failure | null {
  const line = (pattern: RegExp) => said.findLast(text => pattern.test(text))
  const detail = said.at(-1) ?? ''
  if (exitCode === NO_PROGRAM && line(/docker.*not found/))
    return { code: 'command-not-started', argv: ['docker'], why: 'not-found', detail }
  const plugin = line(/is not a docker command|unknown command: docker compose|unknown flag: --ansi/)
  if (plugin !== undefined || line(/unknown (shorthand )?flag: .*(-d|'f'|--progress)/))
    return { code: 'compose-plugin-missing', detail: plugin ?? detail }
  const denied = line(/permission denied while trying to connect to the [Dd]ocker/)
  if (denied !== undefined)
    return { code: 'engine-denied', detail: denied.replace(/: (Get|Post|Head) ".*$/, '') }
  const down = line(/Cannot connect to the Docker daemon|error during connect|Is the docker daemon running/i)
  if (down !== undefined) return { code: 'engine-down', detail: down }
  const full = line(/no space left on device|disk quota exceeded/i)
  return full === undefined ? null : { code: 'disk-full', detail: full }
}

function ofStack(said: readonly string[], dir: string, verb: string, exitCode: number): Failure | null {
  const line = (pattern: RegExp) => said.findLast(text => pattern.test(text))
  const detail = said.at(-1) ?? ''
  const taken = line(/port is already allocated|address already in use|ports are not available/i)
  if (taken !== undefined) return { code: 'port-taken', dir, port: portIn(taken), detail: taken }
  const unknown = /no such service: (\S+)/.exec(line(/no such service/) ?? '')?.[1]
  if (unknown !== undefined) return { code: 'service-unknown', dir, services: [unknown], known: [] }
  if (exitCode === NO_FILE || line(/no configuration file provided|\.ya?ml: no such file or directory/))
    return { code: 'compose-file-missing', dir, detail }
  // `config` does nothing but read the files.
  if (exitCode === BAD_FILE || verb === 'config')
    return { code: 'compose-file-invalid', dir, detail: withoutValue(detail) }
  return null
}

/** In the words of Docker 20.10 to 28 and of what they quote from registries, by what is tried first. */
const PULL_PROBLEMS: readonly [PullProblem, RegExp][] = [
  ['denied', /access denied|unauthorized|authentication required|no basic auth|forbidden/i],
  ['not-found', /manifest[ _]unknown|not found|no matching manifest/i],
  [
    'no-network',
    /dial tcp|no such host|connection (refused|reset)|timeout|timed out|unreachable|name resolution|\bEOF\b/i,
  ],
]

export function pullFailed(dir: string, image: string, done: Done): Failed {
  const failed = composeFailed(dir, 'pull', done)
  if (failed.failure.code !== 'compose-failed') return failed
  const detail = (lines(endOf(done, 'stderr')).at(-1) ?? '').replace(/^Error response from daemon: /, '')
  const why = PULL_PROBLEMS.find(([, words]) => words.test(detail))?.[0] ?? 'other'
  return new Failed({ code: 'pull-failed', image, why, detail })
}

/** Compose quotes the line of an env file that it cannot read, which may hold a secret. */
const withoutValue = (detail: string) => detail.replace(/(failed to read .*?: line \d+).*/, '$1')

/** Of a text that was cut the beginning says little. */
const endOf = (done: Done, stream: 'stdout' | 'stderr'): string =>
  (done.truncated[stream] ? done.ends?.[stream] : undefined) ?? done[stream]

/** What the failing command of a build said: BuildKit repeats it between two rules, on stdout. */
function buildExcerpt(said: readonly string[]): string[] {
  const end = said.findLastIndex(text => /^-{6,}$/.test(text))
  const start = said.slice(0, Math.max(end, 0)).findLastIndex(text => /^-{6,}$/.test(text))
  if (start < 0) return []
  return said
    .slice(start + 1, end)
    .filter(text => !/^ > /.test(text))
    .map(text => text.replace(/^[\d.]+ /, ''))
}

const portIn = (text: string) => /:(\d{1,5})(?:: bind:| failed|: )/.exec(text)?.[1] ?? null
