/** Programs that run other programs: what they run has to be named by the rule, and is then judged itself. */
import { INTERPRETER, isWrapper, OPEN, unwrap } from '../../wrappers.ts'
import { type Hazard, hazard } from './hazard-words.ts'

/** The same, of programs that nobody needs for a self-upgrade. */
const OPEN_TOO =
  /^(scp|sftp|systemd-nspawn|machinectl|emacs|socat|nc|ncat|netcat|strace|ltrace|gdb|expect|tclsh|at|batch|crontab|pkexec|run-parts|start-stop-daemon|setpriv|capsh|prlimit|numactl|unbuffer|dbus-run-session|apt|apt-get|dpkg|rpm|dnf|yum|pip3?|yarn|pnpm|cargo|go)$/

/** Of tar only the options run programs; its first word may hold them without a dash: `cIf`. */
const OPEN_BY_OPTIONS = /^(bsd)?tar$/
const isOldOptions = (word: string, index: number) => index === 1 && /^[A-Za-z]*[FI]/.test(word)

export const runsPrograms = (name: string): boolean =>
  isWrapper(name) || [INTERPRETER, OPEN, OPEN_TOO, OPEN_BY_OPTIONS].some(kind => kind.test(name))

/** Where the program stands that is run by this one, where it is one; and what is to be named in front of it. */
export function runHazards(
  name: string,
  argv: readonly string[],
): { hazards: Hazard[]; inner: number | null } {
  const wrapped = unwrapHazards(name, argv)
  if (wrapped) return wrapped
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

/** Options that are not known are to be named: among them are those that start a shell. */
function unwrapHazards(name: string, argv: readonly string[]) {
  const wrapped = unwrap(name, argv)
  if (wrapped === null) return null
  const { unknown, assigned, inner } = wrapped
  const hazards = [
    ...unknown.map(({ name: option, index }) =>
      hazard(argv, [index], `${name} ${option} is not an option known here`),
    ),
    ...assigned.map(at => hazard(argv, [at], `${name} ${argv[at]} changes the environment`)),
    ...(inner === null ? [] : [hazard(argv, [inner], `${name} can run any program`)]),
  ]
  return { hazards, inner }
}
