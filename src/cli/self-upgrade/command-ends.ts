/** What one command of docker, compose or systemd ends. Pure. */
import { posix } from 'node:path'
import { canonicalPath } from '../../steps/fields.ts'
import {
  ANYTHING,
  type Ends,
  type Foreseen,
  NOTHING,
  type OtherEngine,
  plainWords,
  valueBehind,
  verbAt,
} from './ends.ts'
import { isKnown, type Ran } from './place.ts'

export function commandEnds(ran: Ran): Foreseen {
  const { argv } = ran
  const program = argv[0]?.split('/').at(-1)
  switch (program) {
    case 'docker':
      return dockerEnds(ran)
    case 'docker-compose':
      return composeEnds(ran, 1)
    case 'podman':
    case 'nerdctl':
      return ofEngine(program, dockerEnds(ran))
    case 'podman-compose':
      return ofEngine('podman', composeEnds(ran, 1))
    case 'systemctl':
      return unitEnds(argv.slice(1))
    case 'service':
      return unitEnds([argv[2] ?? '', argv[1] ?? ''])
    default:
      return NOTHING
  }
}

const ofEngine = (engine: OtherEngine, { ends, more }: Foreseen): Foreseen => ({
  ends: ends.map(each => (each.kind === 'unit' ? each : { ...each, engine })),
  more,
})

const HOST_OPTIONS = ['-H', '--host', '--url', '-a', '--address']
const CONTEXT_OPTIONS = ['-c', '--context', '--connection', '-n', '--namespace']
const DOCKER_VALUES = new Set([
  ...['--config', '-l', '--log-level', '--tlscacert', '--tlscert', '--tlskey'],
  ...['--root', '--runroot', '--storage-driver', '--storage-opt', '--cgroup-manager', '--tmpdir'],
  ...HOST_OPTIONS,
  ...CONTEXT_OPTIONS,
])
const HOST_VARIABLES = ['DOCKER_HOST', 'DOCKER_CONTEXT', 'CONTAINER_HOST', 'CONTAINERD_ADDRESS']
const CONTAINER_VERBS = new Set(['restart', 'stop', 'kill', 'rm', 'pause'])
const CONTAINER_VALUES = new Set(['-t', '--time', '--timeout', '-s', '--signal'])

function dockerEnds(ran: Ran): Foreseen {
  const { argv } = ran
  const at = verbAt(argv, 1, DOCKER_VALUES)
  const engine = engineOf(argv.slice(1, at), ran)
  if (engine === 'other') return NOTHING
  if (argv[at] === 'compose') return composeEnds(ran, at + 1)
  const verb = argv[at] === 'container' ? at + 1 : at
  if (!isKnown(argv[verb] ?? '')) return ANYTHING
  if (!CONTAINER_VERBS.has(argv[verb] ?? '')) return NOTHING
  if (engine === 'unknown') return ANYTHING
  const { known, more } = plainWords(argv.slice(verb + 1), CONTAINER_VALUES)
  return { ends: known.length > 0 ? [{ kind: 'containers', names: known }] : [], more }
}

/** Which engine it works on: the one of this place unless it says so. */
function engineOf(options: readonly string[], { env }: Ran): 'own' | 'other' | 'unknown' {
  const glued = options.find(word => /^-H./.test(word))?.slice(2)
  const host = valueBehind(options, HOST_OPTIONS) ?? glued
  const context = valueBehind(options, CONTEXT_OPTIONS)
  const set = HOST_VARIABLES.map(name => env.get(name)).find(value => value !== undefined)
  const named = host ?? context ?? set ?? ''
  if (!isKnown(named)) return 'unknown'
  return named === '' || named === 'default' || /^(unix:\/\/|\/)/.test(named) ? 'own' : 'other'
}

const COMPOSE_VALUES = new Set([
  ...['-f', '--file', '-p', '--project-name', '--project-directory', '--env-file', '--profile'],
  ...['--ansi', '--progress', '--parallel', '--workdir'],
])
const COMPOSE_VERBS = new Set(['up', 'create', 'scale', 'restart', 'down', 'stop', 'kill', 'rm', 'pause'])
const VERB_VALUES = new Set([
  ...['-t', '--timeout', '-s', '--signal', '--scale', '--pull', '--rmi', '--wait-timeout'],
  ...['--attach', '--no-attach', '--exit-code-from'],
])
const CONFIG = ['config', '--format', 'json']
const isOfProject = (name: string) => name.startsWith('COMPOSE_')

function composeEnds(ran: Ran, from: number): Foreseen {
  const { argv, cwd, env } = ran
  const at = verbAt(argv, from, COMPOSE_VALUES)
  const verb = argv[at] ?? ''
  if (!isKnown(verb)) return ANYTHING
  const rest = argv.slice(at + 1)
  if (!COMPOSE_VERBS.has(verb) || argv.includes('--dry-run') || rest.includes('--no-recreate')) return NOTHING
  const options = argv.slice(from, at)
  const [known, unknown] = partition(env)
  const tells = [...argv.slice(0, at), cwd ?? '', ...unknown.filter(isOfProject).map(() => '\0')]
  if (!tells.every(isKnown) || engineOf(argv.slice(1, from - 1), ran) === 'unknown') return ANYTHING
  const { known: named, more } = plainWords(rest, VERB_VALUES)
  if (named.length === 0 && more) return ANYTHING
  const ends: Ends = {
    kind: 'project',
    config: { argv: [...argv.slice(0, at), ...CONFIG], cwd, env: known },
    project: valueBehind(options, ['-p', '--project-name']) ?? env.get('COMPOSE_PROJECT_NAME') ?? null,
    folder: folderOf(valueBehind(options, ['--project-directory']), cwd),
    services: verb === 'scale' ? named.map(each => each.split('=')[0]!) : named,
    dependencies: verb === 'up' && !rest.includes('--no-deps'),
  }
  return { ends: [ends], more }
}

function folderOf(given: string | null, cwd: string | undefined): string | null {
  const folder = given === null || given.startsWith('/') ? (given ?? cwd) : cwd && posix.join(cwd, given)
  return folder === undefined ? null : canonicalPath(folder)
}

function partition(env: ReadonlyMap<string, string>): [{ [name: string]: string }, string[]] {
  const known = [...env].filter(([, value]) => isKnown(value))
  return [Object.fromEntries(known), [...env.keys()].filter(name => !isKnown(env.get(name)!))]
}

const UNIT_VERBS = new Set(['restart', 'stop', 'kill', 'try-restart', 'reload-or-restart', 'force-reload'])

function unitEnds(words: readonly string[]): Foreseen {
  if (words.includes('--user')) return NOTHING
  const all = words.filter(
    (word, at) => !word.startsWith('-') && !/^(-s|--signal)$/.test(words[at - 1] ?? ''),
  )
  const [verb = '', ...units] = all
  if (!isKnown(verb)) return ANYTHING
  if (!UNIT_VERBS.has(verb)) return NOTHING
  const ends = units.flatMap((name): Ends[] => {
    const unit = name.replace(/\.(service|socket)$/, '')
    return unit === 'docker' || unit === 'hostlinkd' ? [{ kind: 'unit', unit }] : []
  })
  return { ends, more: !units.every(isKnown) }
}
