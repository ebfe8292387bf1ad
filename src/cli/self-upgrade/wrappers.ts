/** Programs that run other programs, and how: for what a plan says ahead. Pure. */
import { type Globals, readGlobals, words } from './leading-options.ts'

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

/** Options that are not here are not known: among them are those that start a shell. */
const WRAPPERS: Readonly<Record<string, Wrapper>> = {
  sudo: wrapper(
    '-A -B -b -E -H -n -P -S -k --askpass --background --set-home --non-interactive --stdin --preserve-env',
    '-C -D -g -p -T -u --chdir --group --prompt --command-timeout --user --close-from',
    { assigns: true },
  ),
  doas: wrapper('-n', '-C -u'),
  env: wrapper('-i -0 -v --ignore-environment --null --debug', '-u -C -a --unset --chdir --argv0', {
    assigns: true,
  }),
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
export const INTERPRETER =
  /^((ba|da|z|k|c|tc|fi|pw|a)?sh|node|nodejs|deno|bun|npm|npx|python[0-9.]*|perl[0-9.]*|ruby[0-9.]*|php[0-9.]*|lua[0-9.]*|[gm]?awk|sed|ed|make)$/

/** They open the host in so many ways that all of their options mean something. */
export const OPEN =
  /^(su|ssh|chroot|nsenter|unshare|runuser|script|watch|parallel|systemd-run|vim?|nano|kubectl|chrt|taskset)$/

export type Wrapped = {
  /** Options that are not known, and where they stand. */
  readonly unknown: readonly { readonly name: string; readonly index: number }[]
  /** Where `NAME=value` stands. */
  readonly assigned: readonly number[]
  /** Options with the value that is theirs, where it is a word of its own. */
  readonly given: readonly { readonly name: string; readonly value: string | undefined }[]
  /** Where the program stands that is run; null where there is none. */
  readonly inner: number | null
}

export const isWrapper = (name: string): boolean => Object.hasOwn(WRAPPERS, name)

/** Null where the program is none that only runs another one. */
export function unwrap(name: string, argv: readonly string[]): Wrapped | null {
  if (!isWrapper(name)) return null
  const { before = 0, assigns, ...globals } = WRAPPERS[name]!
  const { options, subcommand } = readGlobals(argv, 1, globals)
  const assigned: number[] = []
  let at = subcommand
  // A lone dash is an option of env's.
  while (assigns && (argv[at] === '-' || /^[^/=]*=/.test(argv[at] ?? ''))) {
    assigned.push(at)
    at += 1
  }
  at += before
  return {
    unknown: options.filter(({ known }) => !known),
    assigned,
    given: options.map(({ name: option, index }) => ({ name: option, value: argv[index + 1] })),
    inner: argv[at] === undefined ? null : at,
  }
}
