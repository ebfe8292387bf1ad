/** What docker (and podman, nerdctl) can be made to do to its host. */

import { type Globals, readGlobals, words } from '../../leading-options.ts'
import { beyondForm, type Place } from './forms.ts'
import { DOCKER_FORMS } from './forms-docker.ts'
import { composeHazards } from './hazard-compose.ts'
import {
  containerHazards,
  deletes,
  hasLetter,
  privileged,
  readsFiles,
  writesFiles,
} from './hazard-docker-options.ts'
import { type Hazard, hazard } from './hazard-words.ts'

const GLOBALS: Globals = {
  flags: words('-D --debug --tls --tlsverify -v --version -h --help'),
  values: words('--config -c --context -H --host -l --log-level --tlscacert --tlscert --tlskey'),
  bundled: true,
}
const OTHER_ENGINE = words('--config -H --host')

/** `docker container run` is `docker run`. */
const OPTIONAL_GROUPS = words('builder container image')
const GROUPS =
  words(`builder buildx checkpoint config container context image manifest network node plugin pod secret service stack
    swarm system trust volume`)

/** Actions of a group that delete, that let something else in, or that read and write files; `*` is every one. */
const ACTIONS: readonly { groups: ReadonlySet<string>; actions: ReadonlySet<string>; why: string }[] = [
  { groups: GROUPS, actions: words('prune'), why: 'deletes data' },
  { groups: words('volume image config secret'), actions: words('rm remove'), why: 'deletes data' },
  { groups: words('stack service network node'), actions: words('rm remove down'), why: 'deletes what runs' },
  { groups: words('stack'), actions: words('deploy up'), why: 'runs whatever its file says' },
  { groups: words('swarm'), actions: words('*'), why: 'changes the whole swarm' },
  { groups: words('plugin'), actions: words('*'), why: 'opens the host to plugins' },
  { groups: words('config secret'), actions: words('create'), why: 'can read any file of the host' },
  {
    groups: words('context'),
    actions: words('create update import export use rm remove'),
    why: 'writes files or can run other programs',
  },
  { groups: words('buildx'), actions: words('create install uninstall'), why: 'starts or replaces builders' },
  {
    groups: words('system'),
    actions: words('dial-stdio reset service migrate renumber connection'),
    why: 'opens the host',
  },
]

export function dockerHazards(argv: readonly string[], place: Place): Hazard[] {
  const { options, subcommand: at } = readGlobals(argv, 1, GLOBALS)
  const found = [...privileged(argv), ...transports(argv)]
  for (const { name, index, known } of options) {
    if (!known) found.push(hazard(argv, [index], `docker ${name} is not an option known here`))
    else if (OTHER_ENGINE.has(name))
      found.push(hazard(argv, [index], `docker ${name} can run other programs`))
  }
  if (argv[at] === undefined) return found
  if (argv[at] === 'compose') return [...found, ...composeHazards(argv, at, place)]
  return [...found, ...groupHazards(argv, at), ...commandHazards(argv, at), ...formHazards(argv, at, place)]
}

/** `docker volume ls` has a form of its own, `docker container run` that of `docker run`. */
function formHazards(argv: readonly string[], group: number, place: Place): Hazard[] {
  const [first = '', second = ''] = argv.slice(group)
  const pair = DOCKER_FORMS.get(`${first} ${second}`)
  const at = GROUPS.has(first) ? group + 1 : group
  const form =
    pair ??
    (at === group || OPTIONAL_GROUPS.has(first) || (first === 'buildx' && second === 'build')
      ? DOCKER_FORMS.get(argv[at] ?? '')
      : undefined)
  if (argv[at] === undefined || argv[at] === '--help') return []
  return beyondForm(argv, at, form, place, `docker ${argv.slice(group, at + 1).join(' ')}`)
}

/** podman takes images from files and writes them there. */
const transports = (argv: readonly string[]): Hazard[] =>
  argv.flatMap((word, index) =>
    /^(dir|oci|oci-archive|docker-archive|docker-daemon|containers-storage|ostree|sif):/.test(word)
      ? [hazard(argv, [index], `docker ${argv[1]} of ${word} reads and writes files of the host`)]
      : [],
  )

/** docker finds the command behind options of a group: `docker system -f prune`, `docker container -v /:/h run x`. */
function groupHazards(argv: readonly string[], at: number): Hazard[] {
  const [group = '', action = ''] = argv.slice(at)
  if (!GROUPS.has(group)) return []
  if (action.startsWith('-') && action !== '--help' && !argv.includes('prune', at + 1))
    return [hazard(argv, [at + 1], `docker ${group} ${action}: the command has to follow at once`)]
  return ACTIONS.flatMap(({ groups, actions, why }) => {
    if (!groups.has(group)) return []
    if (actions.has('*')) return [hazard(argv, [at], `docker ${group} ${why}`)]
    const index = actions.has('prune') ? argv.indexOf('prune', at + 1) : at + 1
    const isMeant = index > 0 && actions.has(argv[index] ?? '')
    return isMeant ? [hazard(argv, [at, index], `docker ${group} ${argv[index]} ${why}`)] : []
  })
}

function commandHazards(argv: readonly string[], group: number): Hazard[] {
  const at = OPTIONAL_GROUPS.has(argv[group] ?? '') ? group + 1 : group
  const [command = '', action = ''] = argv.slice(at)
  switch (command) {
    case 'run':
    case 'create':
    case 'service':
      return containerHazards(argv, at)
    case 'exec':
      return readsFiles(argv, at)
    case 'rm':
      return deletes(argv, at, { what: 'volumes', letter: 'v', long: ['--volumes'] })
    case 'rmi':
      return [hazard(argv, [at], 'docker rmi deletes images')]
    case 'cp':
      return [hazard(argv, [at], 'docker cp reads and writes files of the host')]
    case 'volume':
      return action === 'create' ? volumeHazards(argv, at) : []
    case 'build':
    case 'buildx':
      return [...writesFiles(argv, at), ...containerHazards(argv, at), ...bakeHazards(argv, at)]
    case 'save':
    case 'export':
      return writesFiles(argv, at)
    default:
      // What docker does not know itself it looks up among its plugins; podman has many commands more: their forms are
      // not known, so that they have to be spelled out.
      return []
  }
}

function volumeHazards(argv: readonly string[], at: number): Hazard[] {
  return argv.flatMap((word, index) =>
    index > at + 1 && /^(--opt(=|$)|-o|--driver(=|$)|-d)/.test(word)
      ? [hazard(argv, [index], 'docker volume create with options can mount any folder of the host')]
      : [],
  )
}

/** A file for `bake` says itself what is read and written. */
function bakeHazards(argv: readonly string[], at: number): Hazard[] {
  if (argv[at + 1] !== 'bake') return []
  return argv.flatMap((word, index) =>
    index > at && (/^--file(=|$)/.test(word) || hasLetter(word, 'f'))
      ? [hazard(argv, [index], 'docker buildx bake -f can write files of the host')]
      : [],
  )
}
