/** Programs that run other programs: what they run has to be named by the rule, and is then judged itself. */
import { ENV, SUDO } from '../../wrapper-options.ts'
import { type Globals, type Hazard, hazard, readGlobals, words } from './hazard-words.ts'

type Wrapper = Globals & {
  /** Words between the options and the program. */
  readonly before?: number
  /** `NAME=value` in front of the program sets a variable. */
  readonly assigns?: true
}

const wrapper = (flags: string, values: string, more: Partial<Wrapper> = {}): Wrapper => ({
  flags: words(flags),
  values: words(values),
  bundled: true,
  ...more,
})

/** Options that are not here are to be named: among them are those that start a shell. */
const WRAPPERS: Readonly<Record<string, Wrapper>> = {
  sudo: wrapper(SUDO.flags, SUDO.values, { assigns: true }),
  doas: wrapper('-n', '-C -u'),
  env: wrapper(ENV.flags, ENV.values, { assigns: true }),
  nice: wrapper('', '-n --adjustment'),
  ionice: wrapper('-t --ignore', '-c -n --class --classdata'),
  nohup: wrapper('', ''),
  setsid: wrapper('-c -f -w --ctty --fork --wait', ''),
  stdbuf: wrapper('', '-i -o -e --input --output --error'),
  time: wrapper('-p -v', ''),
  timeout: wrapper('-v --verbose --foreground --preserve-status', '-k -s --kill-after --signal', {
    before: 1,
  }),
  flock: wrapper('-s -x -e -n -u -o -F --shared --exclusive --nonblock', '-w -E --timeout', { before: 1 }),
  xargs: wrapper('-0 -r -t -x --null --no-run-if-empty --verbose', '-n -P -I -L -s -d -E -a --max-args'),
  busybox: wrapper('', ''),
}

/** Their first plain word is a program's text or its file, and the options in front of it say so. */
const INTERPRETER =
  /^((ba|da|z|k|c|tc|fi|pw|a)?sh|node|nodejs|deno|bun|npm|npx|python[0-9.]*|perl[0-9.]*|ruby[0-9.]*|php[0-9.]*|lua[0-9.]*|[gm]?awk|sed|ed|make)$/

/** They open the host in so many ways that their options and their first plain word have to be named. */
const OPEN =
  /^(su|ssh|chroot|nsenter|unshare|runuser|script|watch|parallel|systemd-run|vim?|nano|kubectl|chrt|taskset)$/

/** Of tar only the options run programs; its first word may hold them without a dash: `cIf`. */
const OPEN_BY_OPTIONS = /^(bsd)?tar$/
const isOldOptions = (word: string, index: number) => index === 1 && /^[A-Za-z]*[FI]/.test(word)

export const runsPrograms = (name: string): boolean =>
  Object.hasOwn(WRAPPERS, name) || [INTERPRETER, OPEN, OPEN_BY_OPTIONS].some(kind => kind.test(name))

/** Where the program stands that is run by this one, where it is one; and what is to be named in front of it. */
export function runHazards(
  name: string,
  argv: readonly string[],
): { hazards: Hazard[]; inner: number | null } {
  if (Object.hasOwn(WRAPPERS, name)) return unwrap(name, WRAPPERS[name]!, argv)
  const isOption = (word: string) => /^-./s.test(word)
  const first = argv.findIndex((word, index) => index > 0 && !isOption(word))
  const end = first < 0 ? argv.length : first + 1
  const reaches = INTERPRETER.test(name) ? end : argv.length
  const hazards = argv.flatMap((word, index) => {
    const isFirst = index === first && (!OPEN_BY_OPTIONS.test(name) || isOldOptions(word, index))
    if (index === 0 || index >= reaches || !(isFirst || isOption(word))) return []
    return [hazard(argv, [index], `${name} can run any program by ${isFirst ? 'what it is given' : word}`)]
  })
  return { hazards: runsPrograms(name) ? hazards : [], inner: null }
}

function unwrap(name: string, { before = 0, assigns, ...globals }: Wrapper, argv: readonly string[]) {
  const { options, subcommand } = readGlobals(argv, 1, globals)
  const hazards = options
    .filter(({ known }) => !known)
    .map(({ name: option, index }) => hazard(argv, [index], `${name} ${option} is not an option known here`))
  let at = subcommand
  // A lone dash is an option of env's.
  while (assigns && (argv[at] === '-' || /^[^/=]*=/.test(argv[at] ?? ''))) {
    hazards.push(hazard(argv, [at], `${name} ${argv[at]} changes the environment`))
    at += 1
  }
  at += before
  if (argv[at] === undefined) return { hazards, inner: null }
  hazards.push(hazard(argv, [at], `${name} can run any program`))
  return { hazards, inner: at }
}
