/** What docker (and docker compose) can be made to do to its host. */
import { type Globals, type Hazard, hazard, readGlobals } from './hazard-words.ts'

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter(Boolean))

const DOCKER: Globals = {
  flags: words('-D --debug --tls --tlsverify -v --version -h --help'),
  values: words('--config -c --context -H --host -l --log-level --tlscacert --tlscert --tlskey'),
  bundled: true,
}
const COMPOSE: Globals = {
  flags: words('--all-resources --compatibility --dry-run --verbose -v --version -h --help'),
  values:
    words(`--ansi --env-file -f --file --parallel --profile --progress --project-directory -p --project-name
    --workdir`),
  bundled: true,
}
const OTHER_ENGINE = words('--config -H --host')
const LEADS_ELSEWHERE = words('-f --file --env-file --project-directory --workdir')

/** `docker container run` is `docker run`. */
const OPTIONAL_GROUPS = words('builder container image')
const GROUPS = words('builder buildx container image network plugin service stack swarm system volume')

/** Letters of `docker run`, `create` and `docker compose run` that take a value. */
const RUN_LETTERS_WITH_VALUE = 'acehlmpuvw'
/** Their options that open the host to the container, whatever their value. */
const OPENS_HOST =
  words(`--volumes-from --device --device-cgroup-rule --cap-add --security-opt --cgroup-parent
  --runtime --use-api-socket --rootfs`)
const SHARES_NAMESPACE = words('--pid --ipc --userns --uts --cgroupns')

export function dockerHazards(argv: readonly string[], isBound: boolean): Hazard[] {
  const { options, subcommand: at } = readGlobals(argv, 1, DOCKER)
  const found = privileged(argv)
  for (const { name, index, known } of options) {
    if (!known) found.push(hazard(argv, [index], `docker ${name} is not an option known here`))
    else if (OTHER_ENGINE.has(name))
      found.push(hazard(argv, [index], `docker ${name} can run other programs`))
  }
  if (argv[at] === 'compose') return [...found, ...composeHazards(argv, at, isBound)]
  return [...found, ...groupHazards(argv, at), ...commandHazards(argv, at)]
}

/** docker finds the command behind options of a group: `docker system -f prune`, `docker container -v /:/h run x`. */
function groupHazards(argv: readonly string[], at: number): Hazard[] {
  const [group = '', next = ''] = argv.slice(at)
  if (!GROUPS.has(group)) return []
  const prune = argv.indexOf('prune', at + 1)
  if (prune > 0) return [hazard(argv, [at, prune], `docker ${group} prune deletes data`)]
  if (!next.startsWith('-') || next === '--help') return []
  return [hazard(argv, [at + 1], `docker ${group} ${next}: the command has to follow at once`)]
}

function privileged(argv: readonly string[]): Hazard[] {
  return argv.flatMap((word, index) =>
    /^--privileged(=|$)/.test(word)
      ? [hazard(argv, [index], 'docker --privileged opens the whole host')]
      : [],
  )
}

function commandHazards(argv: readonly string[], group: number): Hazard[] {
  const at = OPTIONAL_GROUPS.has(argv[group] ?? '') ? group + 1 : group
  const [command = '', action = ''] = argv.slice(at)
  switch (command) {
    case 'run':
    case 'create':
    case 'service':
      return runHazards(argv, at)
    case 'rm':
      return removesVolumes(argv, at, '--volumes')
    case 'cp':
      return [hazard(argv, [at], 'docker cp reads and writes files of the host')]
    case 'plugin':
      return [hazard(argv, [at], 'docker plugin opens the host to plugins')]
    case 'volume':
      return volumeHazards(argv, at, action)
    case 'save':
    case 'export':
    case 'build':
    case 'buildx':
      return writesFiles(argv, at)
    case 'context':
      if (!['create', 'update', 'import', 'export'].includes(action)) return []
      return [hazard(argv, [at, at + 1], `docker context ${action} writes files or can run other programs`)]
    // Of podman.
    case 'unshare':
    case 'machine':
    case 'mount':
    case 'kube':
    case 'play':
      return [hazard(argv, [at], `docker ${command} opens the host`)]
    default:
      return []
  }
}

function composeHazards(argv: readonly string[], from: number, isBound: boolean): Hazard[] {
  const { options, subcommand: at } = readGlobals(argv, from + 1, COMPOSE)
  const found: Hazard[] = []
  for (const { name, index, known } of options) {
    if (!known) found.push(hazard(argv, [index], `docker compose ${name} is not an option known here`))
    else if (isBound && LEADS_ELSEWHERE.has(name)) {
      found.push(hazard(argv, [index], `docker compose ${name} leads out of the rule's workdir`))
    }
  }
  switch (argv[at]) {
    case 'down':
    case 'rm':
      return [...found, ...removesVolumes(argv, at, '--volumes', 't')]
    case 'run':
    case 'create':
      return [...found, ...runHazards(argv, at)]
    case 'config':
    case 'convert':
    case 'export':
      return [...found, ...writesFiles(argv, at)]
    case 'cp':
      return [...found, hazard(argv, [at], 'docker compose cp reads and writes files of the host')]
    default:
      return found
  }
}

/** `-v` alone or among other letters; `valueLetter` takes the rest of its word. */
function removesVolumes(argv: readonly string[], at: number, long: string, valueLetter = ''): Hazard[] {
  return argv.flatMap((word, index) => {
    if (index <= at) return []
    const letters = /^-([A-Za-z]+)/.exec(word)?.[1] ?? ''
    const before = valueLetter === '' ? letters : letters.split(valueLetter)[0]!
    const isMeant = word === long || word.startsWith(`${long}=`) || before.includes('v')
    return isMeant
      ? [hazard(argv, [at, index], `docker ${argv[at]} ${word.split('=')[0]} deletes volumes`)]
      : []
  })
}

function volumeHazards(argv: readonly string[], at: number, action: string): Hazard[] {
  if (action === 'rm' || action === 'remove')
    return [hazard(argv, [at, at + 1], 'docker volume rm deletes data')]
  if (action !== 'create') return []
  return argv.flatMap((word, index) =>
    index > at + 1 && /^(--opt(=|$)|-o|--driver(=|$)|-d)/.test(word)
      ? [hazard(argv, [index], 'docker volume create with options can mount any folder of the host')]
      : [],
  )
}

function writesFiles(argv: readonly string[], at: number): Hazard[] {
  return argv.flatMap((word, index) =>
    index > at && /^(--(output|iidfile|metadata-file|set)(=|$)|-o)/.test(word)
      ? [hazard(argv, [index], `docker ${argv[at]} ${word.split('=')[0]} writes files of the host`)]
      : [],
  )
}

/** Looks at every word, also at those behind the image: to know where that stands, one must know every option. */
function runHazards(argv: readonly string[], at: number): Hazard[] {
  const found: Hazard[] = []
  for (let index = at + 1; index < argv.length; index += 1) {
    const option = readRunOption(argv, index)
    const why = option === null ? null : opensHost(option.name, option.value)
    if (why !== null) found.push(hazard(argv, [index], `docker ${argv[at]} ${why}`))
  }
  return found
}

type RunOption = { name: string; value: string }

function readRunOption(argv: readonly string[], index: number): RunOption | null {
  const word = argv[index]!
  const next = argv[index + 1] ?? ''
  const long = /^(--[^=]+)(?:=(.*))?$/s.exec(word)
  if (long) return { name: long[1]!, value: long[2] ?? next }
  if (!/^-[A-Za-z]/.test(word)) return null
  for (const [offset, letter] of [...word.slice(1)].entries()) {
    if (!RUN_LETTERS_WITH_VALUE.includes(letter)) continue
    if (letter !== 'v') return null
    const rest = word.slice(offset + 2).replace(/^=/, '')
    return { name: '--volume', value: rest === '' ? next : rest }
  }
  return null
}

function opensHost(name: string, value: string): string | null {
  if (name === '--volume') return isHostMount(value) ? 'mounts a folder of the host' : null
  if (name === '--mount' || name === '--mount-add')
    return isPlainMount(value) ? null : '--mount can mount a folder of the host'
  if (name === '--cidfile') return '--cidfile writes a file of the host'
  if (OPENS_HOST.has(name)) return `${name} opens the host`
  if (SHARES_NAMESPACE.has(name) && /host/i.test(value)) return `${name}=host opens the host`
  return null
}

/** `name:/path` is a volume, `/path` alone a new one; a path in front of the colon is the host's. */
const isHostMount = (value: string): boolean => /^([/.~\\][^:]*:|[A-Za-z]:[\\/])/.test(value)

const isPlainMount = (value: string): boolean =>
  !/bind|npipe|volume-opt|volume-driver|driver|cluster/i.test(value)
