/** Programs that can do everything: a rule must spell out which of it. Pure; names and commands, no options. */
import { basename } from 'node:path'
import { type CommandTemplate, type Fault, hasHole, type Word } from './template.ts'

const names = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/))

/** What they do is in one or two commands behind their name. */
const COMMANDS = names(
  `git docker podman nerdctl docker-compose podman-compose systemctl kubectl apt apt-get dpkg rpm dnf yum npm yarn pnpm
  bun pip cargo go make gmake hostops`,
)
/** Each word behind their command is one more of a kind: a package, a target. */
const LISTS = names('apt apt-get dpkg rpm dnf yum pip make gmake')
const INSTALLERS = names('npm yarn pnpm bun cargo go')
const INSTALL = names('install i add get')
/** Each has two words; the word behind them is the program that they run, or its source. */
const RUNNING: ReadonlySet<string> = new Set([
  ...['bisect run', 'submodule foreach', 'container create', 'container run', 'image pull', 'plugin install'],
])
/** What they do is in a script, which is their first plain word. */
const INTERPRETERS = names(
  `sh bash dash zsh ksh mksh csh tcsh fish ash rbash pwsh node nodejs deno npx python pypy perl ruby php lua awk gawk mawk
  sed ed tclsh expect java gdb`,
)
/** They run another program, and that one is to be named as the rule's program. */
const RUNNERS = names(
  `sudo doas su env nice ionice nohup setsid stdbuf time timeout flock xargs busybox toybox ssh scp sftp chroot nsenter
  unshare runuser script watch parallel systemd-run systemd-nspawn machinectl chrt taskset setpriv capsh prlimit numactl
  unbuffer dbus-run-session strace ltrace socat nc ncat netcat at batch crontab pkexec run-parts start-stop-daemon vi vim
  nvim view ex nano emacs tmux screen gosu su-exec tini dumb-init catatonit setarch linux bwrap firejail sg runcon
  openvt fakeroot proot`,
)
/** Without a command: files are all that may be left open. */
const FILES = names('find rm tar bsdtar')
const ENGINES = names('docker podman nerdctl')

/** Commands whose next word is no command of theirs, nor a place that code comes from or goes to. */
const LEAVES: Readonly<Record<'git' | 'engine' | 'compose', ReadonlySet<string>>> = {
  git: names(`blame branch cat-file checkout cherry describe diff log ls-tree merge merge-base name-rev rev-list rev-parse shortlog
    show switch tag`),
  engine: names(
    'diff exec history images inspect kill logs pause port ps restart rm start stats stop top unpause wait',
  ),
  compose:
    names(`build create events exec images kill logs pause port ps pull push restart rm run start stop top unpause
    up wait`),
}

/** By name and without a version at its end: python3.11 is python. */
const nameOf = (program: string): string => basename(program).replace(/(?<=[a-z])-?[0-9][0-9.]*$/, '')
const literalOf = (word: Word | undefined): string | null =>
  word === undefined || hasHole(word) ? null : word.literal

export const isEngine = ([program]: CommandTemplate): boolean => ENGINES.has(nameOf(literalOf(program) ?? ''))

export const isOpen = (program: string): boolean =>
  [COMMANDS, INTERPRETERS, RUNNERS, FILES].some(kind => kind.has(nameOf(program)))

/** Why the rule leaves its program open, known by one of the program's names; null where it does not. */
export function openFault(program: string, template: CommandTemplate): Fault | null {
  const name = nameOf(program)
  if (!isOpen(name)) return null
  if (template.length === 1)
    return { reason: `${name} alone can do everything`, hint: `spell it out: argv: ${exampleFor(name)}` }
  const first = template.findIndex(hasHole)
  if (first < 0) return null
  if (RUNNERS.has(name)) {
    const hint = 'name the program that it runs as the program of the rule'
    return { reason: `${name} runs other programs: a rule for it has no holes`, hint }
  }
  if (/tar$/.test(name) && first === 1)
    return { reason: `the first word of ${name} holds its options: spell it out`, hint: exampleFor(name) }
  if (name === 'systemctl' && template.some(word => hasHole(word) && word.before === ''))
    return {
      reason: 'the caller would choose any unit, such as reboot.target',
      hint: 'openclaw-{name}.service',
    }
  if (name === 'git' && template.filter(mayBeCommand).length > 1)
    return { reason: 'git may take a second free word for a file', hint: 'one {name} or {ref} in a rule' }
  return FILES.has(name) || isSpelledOut(name, template) ? null : freeCommand(name)
}

function freeCommand(name: string): Fault {
  const hint = `commands come first, options behind them: ${exampleFor(name)}`
  if (INTERPRETERS.has(name)) return { reason: `the caller would choose the script of ${name}`, hint }
  return { reason: `the caller would choose the command of ${name}, or where it goes`, hint }
}

/** In front of the first hole that could be a command: one that is known to have none of its own, or two. */
function isSpelledOut(name: string, template: CommandTemplate): boolean {
  const isScript = INTERPRETERS.has(name)
  const end = template.findIndex(word => hasHole(word) && (isScript || mayBeCommand(word)))
  if (end < 0) return true
  const compose = ENGINES.has(name) ? template.findIndex(word => literalOf(word) === 'compose') : -1
  const start = compose > 0 && compose < end ? compose : 0
  const words = plainWords(template, start, end, isScript ? /^[^-]/ : /^[a-z][a-z0-9-]*$/)
  if (isScript) return words.length > 0
  const [first = ''] = words
  if (LISTS.has(name) || (INSTALLERS.has(name) && INSTALL.has(first))) return false
  if (words.length === 2 && RUNNING.has(words.join(' '))) return false
  return words.length > 1 || leavesOf(name, start > 0).has(first)
}

const mayBeCommand = (word: Word): boolean =>
  hasHole(word) && word.before === '' && (word.hole.kind === 'name' || word.hole.kind === 'ref')

/** A word behind an option may be that option's value, and so counts for nothing. */
function plainWords(template: CommandTemplate, start: number, end: number, shape: RegExp): string[] {
  return template.slice(start + 1, end).flatMap((word, at) => {
    const before = at === 0 ? '' : (literalOf(template[start + at]) ?? '-')
    const mayBeValue = before.startsWith('-') && !before.includes('=')
    const text = literalOf(word)
    return text !== null && shape.test(text) && !mayBeValue ? [text] : []
  })
}

function leavesOf(name: string, isCompose: boolean): ReadonlySet<string> {
  if (isCompose || name.endsWith('compose')) return LEAVES.compose
  if (ENGINES.has(name)) return LEAVES.engine
  return name === 'git' ? LEAVES.git : new Set()
}

/** A rule that could be meant, for who wrote none. */
export function exampleFor(program: string): string {
  const name = nameOf(program)
  if (name === 'git') return '[git, -C, /srv/openclaw, fetch, origin, --prune]'
  if (ENGINES.has(name)) return `[${name}, compose, -f, /srv/openclaw/compose.yaml, ps]`
  if (name.endsWith('compose')) return `[${name}, -f, /srv/openclaw/compose.yaml, ps]`
  if (name === 'systemctl') return '[systemctl, restart, openclaw.service]'
  if (name === 'find' || name === 'rm') return `[${name}, "{path:/srv/openclaw/cache/**}"]`
  if (FILES.has(name)) return `[${name}, -xf, "{path:/srv/openclaw/in/**}"]`
  if (INTERPRETERS.has(name)) return `[${name}, /opt/openclaw/task, "{name}"]`
  if (RUNNERS.has(name)) return `[${name}, uptime]`
  return COMMANDS.has(name) ? `[${name}, --version]` : `[${program}, "{name}"]`
}
