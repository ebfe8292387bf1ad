/** What systemctl can be made to do to its host. */
import { type Globals, readGlobals, words } from '../../leading-options.ts'
import { beyondForm, type Place } from './forms.ts'
import { SYSTEMCTL_FORM } from './forms-docker.ts'
import { abbreviates, type Hazard, hazard, lettersOf, plainWords } from './hazard-words.ts'

const GLOBALS: Globals = {
  flags:
    words(`-a --all -l --full -q --quiet -r --recursive --no-pager --no-legend --no-block --no-ask-password --wait
    --failed --value --plain --reverse --after --before --show-types --system --user --version -h --help --now
    --no-wall --with-dependencies`),
  values: words('-t --type --state -p --property -P -n --lines -o --output --job-mode --timestamp --legend'),
  bundled: true,
}

/** What reads, and what begins or begins again what the host is set up to run. Everything else is to be named. */
const PLAIN = words(`cat daemon-reload get-default help is-active is-enabled is-failed is-system-running
  list-automounts list-dependencies list-jobs list-machines list-paths list-sockets list-timers list-unit-files
  list-units reload reload-or-restart reset-failed restart show show-environment start status try-reload-or-restart
  try-restart`)

/** They reach another systemd, files elsewhere, or go past what protects a unit. systemctl finds them in any place. */
const ELSEWHERE = ['--host', '--machine', '--root', '--image', '--image-policy', '--force', '--runtime']
const ENDS_HOST =
  /^((soft-)?reboot|poweroff|halt|kexec|exit|shutdown|umount|final|rescue|emergency|sleep|suspend|hibernate|hybrid-sleep|suspend-then-hibernate|ctrl-alt-del|runlevel[016])\.target$|^systemd-(soft-reboot|reboot|poweroff|halt|kexec|exit|suspend|hibernate|hybrid-sleep)\.service$/
const IS_PATTERN = /[*?[]/

export function systemctlHazards(argv: readonly string[], place: Place): Hazard[] {
  const { options, subcommand: at } = readGlobals(argv, 1, GLOBALS)
  const found = options
    .filter(({ known }) => !known)
    .map(({ name, index }) => hazard(argv, [index], `systemctl ${name} is not an option known here`))
  const verb = argv[at]
  if (verb === undefined) return found
  if (!PLAIN.has(verb))
    found.push(hazard(argv, [at], `systemctl ${verb} stops or changes what the host runs`))
  const changes = /start|reload$/.test(verb) && verb !== 'daemon-reload'
  for (const [index, word] of argv.entries()) {
    if (index <= at) continue
    if (/[HMCf]/.test(lettersOf(word, 'tpPnoHMC')) || ELSEWHERE.some(option => abbreviates(word, option)))
      found.push(
        hazard(argv, [index], `systemctl ${word.split('=')[0]} leads elsewhere or goes past safeguards`),
      )
    else if (
      changes &&
      plainWords(argv, at).includes(word) &&
      (ENDS_HOST.test(word) || IS_PATTERN.test(word))
    )
      found.push(hazard(argv, [index], `systemctl ${verb} ${word} can end the host or everything on it`))
  }
  return [...found, ...beyondForm(argv, at, SYSTEMCTL_FORM, place, `systemctl ${verb}`)]
}
