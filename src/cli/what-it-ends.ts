/** What a step of a plan stops, replaces or removes, as far as its words tell before anything has run. Pure. */
import type { PlannedStep } from '../engine/plan.ts'
import { withoutWrapper } from '../hostlink/wrapper-options.ts'
import { composeArgv } from '../steps/compose/compose.ts'
import { composeUp } from '../steps/compose/up.ts'
import { canonicalPath } from '../steps/fields.ts'

export type Ends =
  /** `config`: how compose tells the project. `services`: all of them where empty. */
  | {
      kind: 'project'
      step: string
      config: { argv: string[]; cwd: string | undefined }
      project: string | null
      folder: string | null
      services: string[]
      dependencies: boolean
    }
  | { kind: 'containers'; step: string; names: string[] }
  | { kind: 'unit'; step: string; unit: 'docker' | 'hostlinkd' }

export function whatItEnds(step: PlannedStep): Ends[] {
  if (step.when === false) return []
  if (step.uses === composeUp.uses) return composeUpEnds(step)
  if (step.uses !== 'command' && step.uses !== 'script') return []
  const given = step.with as { [field: string]: unknown }
  const cwd = typeof step.cwd === 'string' ? step.cwd : undefined
  // The way back counts too: it would be cut off as well.
  return [given.argv, given.undo, given.reactivate].flatMap(argv =>
    Array.isArray(argv) ? commandEnds(step.id, argv.map(String), cwd) : [],
  )
}

function composeUpEnds({ id, with: given }: PlannedStep): Ends[] {
  const input = composeUp.schema.safeParse(given)
  if (!input.success) return []
  const { data } = input
  const folder = canonicalPath(data.dir)
  return [
    {
      kind: 'project',
      step: id,
      config: { argv: composeArgv(data, CONFIG), cwd: folder },
      project: data.project ?? null,
      folder,
      services: data.services,
      dependencies: true,
    },
  ]
}

const CONFIG = ['config', '--format', 'json']

function commandEnds(step: string, argv: readonly string[], cwd: string | undefined): Ends[] {
  const words = withoutWrapper(argv)
  switch (words[0]?.split('/').at(-1)) {
    case 'docker':
      return dockerEnds(step, words, cwd)
    case 'docker-compose':
      return composeEnds(step, words, 1, cwd)
    case 'systemctl':
      return unitEnds(step, words.slice(1), UNIT_VERBS)
    case 'service':
      return unitEnds(step, [words[2] ?? '', words[1] ?? ''], UNIT_VERBS)
    default:
      return []
  }
}

const DOCKER_VALUES = new Set(['--config', '-l', '--log-level', '--tlscacert', '--tlscert', '--tlskey'])
const OTHER_ENGINE = /^(-H|--host|-c|--context)(=|$)/
const CONTAINER_VERBS = new Set(['restart', 'stop', 'kill', 'rm', 'pause'])
const CONTAINER_VALUES = new Set(['-t', '--time', '--timeout', '-s', '--signal'])

function dockerEnds(step: string, words: readonly string[], cwd: string | undefined): Ends[] {
  const at = verbAt(words, 1, DOCKER_VALUES)
  if (words.slice(1, at).some(word => OTHER_ENGINE.test(word))) return []
  if (words[at] === 'compose') return composeEnds(step, words, at + 1, cwd)
  const verb = words[at] === 'container' ? at + 1 : at
  if (!CONTAINER_VERBS.has(words[verb] ?? '')) return []
  return [{ kind: 'containers', step, names: plainWords(words.slice(verb + 1), CONTAINER_VALUES) }]
}

const COMPOSE_VALUES = new Set([
  ...['-f', '--file', '-p', '--project-name', '--project-directory', '--env-file', '--profile'],
  ...['--ansi', '--progress', '--parallel'],
])
const COMPOSE_VERBS = new Set(['up', 'restart', 'down', 'stop', 'kill', 'rm', 'pause'])
const VERB_VALUES = new Set([
  ...['-t', '--timeout', '-s', '--signal', '--scale', '--pull', '--rmi', '--wait-timeout'],
  ...['--attach', '--no-attach', '--exit-code-from'],
])

function composeEnds(step: string, words: readonly string[], from: number, cwd: string | undefined): Ends[] {
  const at = verbAt(words, from, COMPOSE_VALUES)
  if (!COMPOSE_VERBS.has(words[at] ?? '') || words.slice(from, at).includes('--dry-run')) return []
  const rest = words.slice(at + 1)
  const given = valueBehind(words.slice(from, at), ['--project-directory']) ?? cwd
  return [
    {
      kind: 'project',
      step,
      config: { argv: [...words.slice(0, at), ...CONFIG], cwd },
      project: valueBehind(words.slice(from, at), ['-p', '--project-name']),
      folder: given === undefined ? null : canonicalPath(given),
      services: plainWords(rest, VERB_VALUES),
      dependencies: words[at] === 'up' && !rest.includes('--no-deps'),
    },
  ]
}

const UNIT_VERBS = new Set(['restart', 'stop', 'kill', 'try-restart', 'reload-or-restart', 'force-reload'])

function unitEnds(step: string, words: readonly string[], verbs: ReadonlySet<string>): Ends[] {
  const [verb = '', ...units] = plainWords(words, new Set(['-s', '--signal']))
  if (!verbs.has(verb) || words.includes('--user')) return []
  return units.flatMap((name): Ends[] => {
    const unit = name.replace(/\.(service|socket)$/, '')
    return unit === 'docker' || unit === 'hostlinkd' ? [{ kind: 'unit', step, unit }] : []
  })
}

/** Where the first word stands that is no option and no value of one. */
function verbAt(words: readonly string[], from: number, values: ReadonlySet<string>): number {
  let at = from
  while (words[at]?.startsWith('-'))
    at += values.has(words[at]!) || /^-[Hc]$|^--(host|context)$/.test(words[at]!) ? 2 : 1
  return at
}

function plainWords(words: readonly string[], values: ReadonlySet<string>): string[] {
  return words.filter((word, at) => !word.startsWith('-') && !values.has(words[at - 1] ?? ''))
}

function valueBehind(words: readonly string[], names: readonly string[]): string | null {
  for (const [at, word] of words.entries()) {
    if (names.includes(word)) return words[at + 1] ?? null
    const [name = '', value] = word.split(/=(.*)/s)
    if (value !== undefined && names.includes(name)) return value
  }
  return null
}
