/** How the options of `sudo` and `env` are written: for the daemon's policy and for what a plan says ahead. Pure. */

export const SUDO = {
  flags:
    '-A -B -b -E -H -n -P -S -k --askpass --background --set-home --non-interactive --stdin --preserve-env',
  values: '-C -D -g -p -T -u --chdir --group --prompt --command-timeout --user --close-from',
}
export const ENV = {
  flags: '-i -0 -v --ignore-environment --null --debug',
  values: '-u -C -a --unset --chdir --argv0',
}

/** What `sudo -u deploy A=b docker ...` and `env -u X docker ...` run; the command itself where it is neither. */
export function withoutWrapper(argv: readonly string[]): readonly string[] {
  const program = argv[0]?.split('/').at(-1)
  if (program !== 'sudo' && program !== 'env') return argv
  const values = (program === 'sudo' ? SUDO : ENV).values.split(' ')
  let at = 1
  for (let word = argv[at]; word !== undefined && /^-|^\w+=/.test(word); word = argv[at]) {
    at += takesNext(word, values) ? 2 : 1
    if (word === '--') break
  }
  while (/^\w+=/.test(argv[at] ?? '')) at += 1
  return argv.slice(at)
}

/** `-u x`, `-nu x` and `--user x`, but not `-ux`, whose value is the rest of the word. */
function takesNext(word: string, values: readonly string[]): boolean {
  if (!/^-[^-]/.test(word)) return values.includes(word)
  return [...word].findIndex((letter, at) => at > 0 && values.includes(`-${letter}`)) === word.length - 1
}
