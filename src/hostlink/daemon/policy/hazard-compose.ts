/** What docker compose can be made to do to its host. */

import { type Globals, readGlobals, words } from '../../leading-options.ts'
import { beyondForm, type Place } from './forms.ts'
import { COMPOSE_FORMS } from './forms-docker.ts'
import { containerHazards, deletes, writesFiles } from './hazard-docker-options.ts'
import { type Hazard, hazard } from './hazard-words.ts'

const GLOBALS: Globals = {
  flags: words('--all-resources --compatibility --dry-run --verbose -v --version -h --help'),
  values:
    words(`--ansi --env-file -f --file --parallel --profile --progress --project-directory -p --project-name
    --workdir`),
  bundled: true,
}
const LEADS_ELSEWHERE = words('-f --file --env-file --project-directory --workdir')

export function composeHazards(argv: readonly string[], from: number, place: Place): Hazard[] {
  const { options, subcommand: at } = readGlobals(argv, from + 1, GLOBALS)
  const found: Hazard[] = []
  for (const { name, index, known } of options) {
    if (!known) found.push(hazard(argv, [index], `docker compose ${name} is not an option known here`))
    else if (place.isBound && LEADS_ELSEWHERE.has(name)) {
      found.push(hazard(argv, [index], `docker compose ${name} leads out of the rule's workdir`))
    }
  }
  const command = argv[at]
  if (command === undefined) return found
  return [
    ...found,
    ...commandHazards(argv, at, command),
    ...beyondForm(argv, at, COMPOSE_FORMS.get(command), place, `docker compose ${command}`),
  ]
}

function commandHazards(argv: readonly string[], at: number, command: string): Hazard[] {
  const loses = (what: string, letter: string, ...long: string[]) => deletes(argv, at, { what, letter, long })
  switch (command) {
    case 'down':
      return [...loses('volumes', 'v', '--volumes'), ...loses('images', '', '--rmi')]
    case 'rm':
      return loses('volumes', 'v', '--volumes')
    case 'up':
      return loses('volumes', 'V', '--renew-anon-volumes')
    case 'run':
    case 'create':
    case 'build':
      return containerHazards(argv, at)
    case 'config':
    case 'convert':
    case 'export':
      return writesFiles(argv, at)
    case 'cp':
      return [hazard(argv, [at], 'docker compose cp reads and writes files of the host')]
    default:
      return []
  }
}
