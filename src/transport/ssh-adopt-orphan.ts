/** Commands over ssh that outlived their runner: they have noted themselves on the host, and are looked for there. */
import { setTimeout as sleep } from 'node:timers/promises'
import { FAMILY, NOTES } from './ssh-script.ts'
import type { CommandHandle, ExecOptions, ExecResult, Overtaking } from './transport.ts'

type Exec = (
  command: { argv: string[] },
  options: Pick<ExecOptions, 'timeoutMs' | 'signal'>,
) => Promise<ExecResult>

const LOOK_MS = 300
/** TERM, two seconds, KILL and a slow host. */
const COMMAND_MS = 60_000
const LEFT_BEHIND_MS = 3000
const JOB_END_MS = 15_000

/**
 * Prints `ended`, `running`, `left` (only what it has started goes on) or `unknown`. Who looks for a command that has not
 * noted itself takes its place, so that it does not begin any more, however late its text arrives.
 */
const LOOK = `
verb=$1 kind=$2 notes=${NOTES}
${FAMILY}
tell() { echo "$1"; exit 0; }
if [ "$kind" = job ]; then
  folder=$notes/ssh-jobs/$3
  [ -d "$folder" ] && [ ! -s "$folder/report" ] || tell ended
  file=$folder/leader
  [ -e "$file" ] || { kill -0 "$(cat "$folder/keeper")" 2>/dev/null && tell running; tell ended; }
else
  file=$notes/ssh-commands/$3
  (umask 077; mkdir -p "$notes/ssh-commands"; set -C; echo taken >"$file") 2>/dev/null && tell ended
fi
read -r leader started boot <"$file" || tell unknown
[ "$leader" = taken ] && tell ended
if [ -r /proc/self/stat ]; then
  read -r now </proc/sys/kernel/random/boot_id
  [ "$boot" = "$now" ] || tell ended
  { read -r l </proc/$leader/stat; } 2>/dev/null && { set -- \${l##*) }; shift 19; [ "$1" = "$started" ] || tell ended; }
fi
[ "$verb" = end ] && end_family
members=$leader
look || tell ended
case " $alive " in *" $leader "*) tell running;; esac
tell left
`
  .replace(/^ *(#.*)?\n?/gm, '')
  .trimEnd()

type Seen = 'ended' | 'running' | 'left' | 'unknown'

export async function overtakeOverSsh(
  exec: Exec,
  command: CommandHandle,
  options: Overtaking,
): Promise<'ended' | 'running' | 'unknown'> {
  if (command.kind !== 'marked' && command.kind !== 'job') return 'unknown'
  const { kind } = command
  const name = command.kind === 'job' ? command.job : command.mark
  const ask = async (verb: 'look' | 'end'): Promise<Seen> => {
    const argv = ['sh', '-c', LOOK, 'hostops-look', verb, kind, name]
    return seenIn(await exec({ argv }, { timeoutMs: COMMAND_MS, signal: options.signal }))
  }
  const isOver = (seen: Seen) => seen === 'ended' || (seen === 'left' && !options.leftBehind)

  const waitForEnd = async (first: Seen): Promise<Seen> => {
    let seen = first
    let limit = performance.now() + options.timeoutMs + (kind === 'job' ? JOB_END_MS : 0)
    while (!isOver(seen) && !options.signal.aborted && performance.now() < limit) {
      await sleep(LOOK_MS, undefined, { signal: options.signal }).catch(() => {})
      const before = seen
      seen = await ask('look')
      // Its limit was for itself; who comes behind it has a moment.
      if (seen === 'left' && before !== 'left') limit = performance.now() + LEFT_BEHIND_MS
    }
    return seen
  }

  const seen = await ask('look')
  if (isOver(seen)) return 'ended'
  if (seen === 'unknown') return 'unknown'
  options.onWaiting()
  if (!options.end && isOver(await waitForEnd(seen))) return 'ended'
  if (options.signal.aborted || kind === 'job') return 'running'
  return isOver(await ask('end')) ? 'ended' : 'running'
}

function seenIn(result: ExecResult): Seen {
  const word = result.kind === 'exited' ? result.stdout.toString('latin1').trim() : ''
  return word === 'ended' || word === 'running' || word === 'left' ? word : 'unknown'
}
