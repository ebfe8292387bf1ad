/** What single options of docker's commands open, write or delete, whichever command it is. */
import { words } from '../../leading-options.ts'
import { abbreviates, type Hazard, hazard, lettersOf } from './hazard-words.ts'

/** Letters of `docker run`, `create` and `docker compose run` that take a value. */
const RUN_LETTERS_WITH_VALUE = 'acehlmpuvw'
/** Their options that open the host to the container, whatever their value. */
const OPENS_HOST =
  words(`--volumes-from --device --device-cgroup-rule --cap-add --security-opt --cgroup-parent
  --runtime --use-api-socket --rootfs --allow --annotation --credential-spec`)
const SHARES_NAMESPACE = words('--pid --ipc --userns --uts --cgroupns')
const NETWORKS = words('--network --net --network-add')
const READS_FILES = words('--env-file --env-from-file --label-file --secret --build-context --ssh')
/** Letters that take a value, of the commands that write files or read them by a letter. */
const BUILD_LETTERS_WITH_VALUE = 'cfmot'

export function privileged(argv: readonly string[]): Hazard[] {
  return argv.flatMap((word, index) =>
    /^--privileged(=|$)/.test(word)
      ? [hazard(argv, [index], 'docker --privileged opens the whole host')]
      : [],
  )
}

/** Looks at every word, also at those behind the image: to know where that stands, one must know every option. */
export function containerHazards(argv: readonly string[], at: number): Hazard[] {
  const found: Hazard[] = []
  for (let index = at + 1; index < argv.length; index += 1) {
    const option = readOption(argv, index)
    const why = option === null ? null : opensHost(option.name, option.value)
    if (why !== null) found.push(hazard(argv, [index], `docker ${argv[at]} ${why}`))
  }
  return found
}

type Option = { name: string; value: string }

function readOption(argv: readonly string[], index: number): Option | null {
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
  if (READS_FILES.has(name)) return `${name} can read any file of the host`
  if (SHARES_NAMESPACE.has(name) && /host/i.test(value)) return `${name}=host opens the host`
  if (NETWORKS.has(name) && /(^|=)"?host"?(,|$)/i.test(value)) return `${name}=host opens the host's network`
  return null
}

/** `name:/path` is a volume, `/path` alone a new one; a path in front of the colon is the host's. */
const isHostMount = (value: string): boolean => /^([/.~\\][^:]*:|[A-Za-z]:[\\/])/.test(value)

const PLAIN_MOUNT = words(
  `source src target destination dst readonly ro volume-nocopy volume-subpath tmpfs-size tmpfs-mode`,
)

/** A volume or a file system in memory, in words without quotes: everything else may be a folder of the host. */
const isPlainMount = (value: string): boolean =>
  value.split(',').every(part => {
    const [key = '', text = ''] = part.split('=')
    return key === 'type' ? /^(volume|tmpfs)$/.test(text) : PLAIN_MOUNT.has(key)
  })

/** Options of docker's commands that name a file of the host to write. */
export function writesFiles(argv: readonly string[], at: number): Hazard[] {
  return argv.flatMap((word, index) =>
    index > at && (/^--(output|iidfile|metadata-file|set)(=|$)/.test(word) || hasLetter(word, 'o'))
      ? [hazard(argv, [index], `docker ${argv[at]} ${word.split('=')[0]} writes files of the host`)]
      : [],
  )
}

/** The same for one to read, where a command has no other options that matter. */
export function readsFiles(argv: readonly string[], at: number): Hazard[] {
  return argv.flatMap((word, index) =>
    index > at && READS_FILES.has(word.split('=')[0]!)
      ? [hazard(argv, [index], `docker ${argv[at]} ${word.split('=')[0]} can read any file of the host`)]
      : [],
  )
}

/** Alone or behind others: `-qo` is `-q -o`. */
export const hasLetter = (word: string, letter: string): boolean =>
  lettersOf(word, BUILD_LETTERS_WITH_VALUE).includes(letter)

type Deleting = { what: string; letter: string; long: readonly string[] }

/** An old docker-compose takes any beginning of a long option. */
export function deletes(argv: readonly string[], at: number, { what, letter, long }: Deleting): Hazard[] {
  return argv.flatMap((word, index) => {
    if (index <= at) return []
    const isMeant =
      long.some(option => abbreviates(word, option)) ||
      (letter !== '' && lettersOf(word, 't').includes(letter))
    const name = word.split('=')[0]
    return isMeant ? [hazard(argv, [at, index], `docker ${argv[at]} ${name} deletes ${what}`)] : []
  })
}
