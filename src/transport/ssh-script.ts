/**
 * What runs at the far end of an ssh connection: constant text, for any POSIX sh. It comes in over standard input, so
 * that no login shell has to understand it and no list of processes shows the command. All that varies (command,
 * limit, key) comes behind it, as data.
 *
 * Standard input stays open: `cancel` on it, or its end (the client or the link is gone), ends the command.
 */
import { posixExec, posixMove, posixQuote } from './quote.ts'
import type { Command } from './transport.ts'

export type Remote = {
  /** Random: output cannot forge what the script reports, because it cannot know this. */
  nonce: string
  command: Command
  timeoutMs: number
  /** Null for a command that ends with the link. */
  job: SshJob | null
  /** Under which a command that is no job can be found by others; null: nobody will look for it. */
  mark: string | null
  /** How much of each output of a durable command was seen before. */
  offsets: readonly [number, number]
}

/** A durable command: the name of its folder, and what its key must not be used for twice. */
export type SshJob = { name: string; digest: string }

/** Understood alike by sh, csh and fish. Reads a block: a number of lines, then these lines. */
export const BOOTSTRAP =
  '/bin/sh -c \'n=$(printf "\\n.");n=${n%.};t(){ read -r c;w=;while [ "$c" -gt 0 ];do IFS= read -r l;w=$w$l$n;c=$((c-1));done;};t;eval "$w"\''

export function remoteInput(remote: Remote): string {
  const { nonce, timeoutMs, job, mark, offsets } = remote
  const seconds = timeoutMs < 10_000 ? String(timeoutMs / 1000) : String(Math.ceil(timeoutMs / 1000))
  return [
    block(COMPACT),
    nonce,
    seconds,
    job?.name ?? '-',
    job?.digest ?? '-',
    mark ?? '-',
    ...offsets,
    block(commandText(remote)),
  ]
    .join('\n')
    .concat('\n')
}

const block = (text: string): string => {
  const lines = text.split('\n')
  return [lines.length, ...lines].join('\n')
}

/** Says on descriptor 3 why it cannot start, before it becomes the command. */
function commandText({ nonce, command }: Remote): string {
  const [program = ''] = command.argv
  const word = posixQuote(program)
  const path = command.env?.['PATH'] === undefined ? '' : `PATH=${posixQuote(command.env['PATH'])};`
  const checks = program.includes('/')
    ? [
        `[ -e ./${word} ] || no not-found`,
        `[ -d ./${word} ] && no not-executable`,
        `[ -x ./${word} ] || no not-executable`,
      ]
    : [`(${path} command -v ${program.startsWith('-') ? '-- ' : ''}${word}) >/dev/null 2>&1 || no not-found`]
  return [
    `no() { echo ${nonce} not-started "$1" >&3; exit 127; }`,
    ...(command.cwd === undefined ? [] : [`${posixMove(command.cwd)} 2>/dev/null || no bad-cwd`]),
    ...checks.map(check => (program.startsWith('/') ? check.replaceAll('./', '') : check)),
    `${posixExec(command)} 3>&-`,
  ].join('\n')
}

/** For whoever ends a command on the host: its family, as far as /proc or ps tell it. */
export const FAMILY = `
# Every process with its parent, group and session; zombies are no processes.
list() {
  if [ -r /proc/self/stat ]; then
    for f in /proc/[0-9]*/stat; do
      read -r l <"$f" || continue
      f=\${f#/proc/}; set -- \${l##*) }
      [ "$1" = Z ] || echo "\${f%/stat} $2 $3 $4"
    done
  else ps -A -o pid= -o ppid= -o pgid= -o pgid=; fi
} 2>/dev/null

# Adds to $members what belongs to $leader, and leaves in $alive who of them lives.
look() {
  all=$(list); more=1
  while [ $more = 1 ]; do
    more=0; set -- $all
    while [ $# -gt 3 ]; do
      case " $members " in
        *" $1 "*) ;;
        *) ours=0
           case " $members " in *" $2 "*) ours=1;; esac
           [ "$3" = "$leader" ] && ours=1
           [ "$4" = "$leader" ] && ours=1
           [ $ours = 1 ] && members="$members $1" && more=1;;
      esac
      shift 4
    done
  done
  alive=; set -- $all
  while [ $# -gt 3 ]; do
    case " $members " in *" $1 "*) alive="$alive $1";; esac
    shift 4
  done
  [ -n "$alive" ]
}

# TERM to the group and all descendants of $leader; KILL to what is left after two seconds.
end_family() {
  members=$leader; round=0
  while look && [ $round -lt 30 ]; do
    [ $round = 0 ] && kill -TERM -$leader $alive
    [ $round -ge 10 ] && kill -KILL $alive
    round=$((round+1)); sleep 0.2 || sleep 1
  done
} 2>/dev/null
`

/** Where what runs over ssh is noted on the host. */
export const NOTES = '${XDG_STATE_HOME:-$HOME/.local/state}/hostops'

const SCRIPT = `
read -r id; read -r limit; read -r job; read -r digest; read -r mark; read -r seen1; read -r seen2; t; text=$w
${FAMILY}
# The command's first process: it said so itself, or it is the child of this shell that leads a group.
find_leader() {
  leader=
  if [ -n "$folder" ]; then read -r leader rest <"$folder/leader"; return; fi
  set -- $(list)
  while [ $# -gt 3 ]; do
    [ "$2" = $$ ] && [ "$1" = "$3" ] && leader=$1
    shift 4
  done
} 2>/dev/null

# Whether the shell that starts the command lives: for a durable one the keeper, once that is known.
launcher_lives() {
  launcher=$$
  [ -n "$folder" ] && { read -r launcher <"$folder/keeper" || return 0; }
  kill -0 $launcher
} 2>/dev/null

# Ends the command. One that has not begun yet is waited for, as long as somebody is there to begin it, and whoever tells
# its end ends this waiting too.
stop() {
  while find_leader; [ -z "$leader" ]; do launcher_lives || return; sleep 0.2 || sleep 1; done
  trap "" TERM PIPE
  end_family
} 2>/dev/null

# A command notes its process with the kernel's start time and the boot. Where somebody was there first, it is not wanted.
say='l=; b=; read -r l </proc/$$/stat; read -r b </proc/sys/kernel/random/boot_id; n=$$
[ -z "$1" ] || { note=$1; set -- \${l##*) }; [ $# -lt 20 ] || shift 19; (set -C; echo "$n \${1:--} \${b:--}" >"$note") || [ ! -e "$note" ] || exit 75; } 2>/dev/null
'

# Runs $text in a session of its own. It stands in the foreground, because what is in the background ignores INT.
launch() {
  if command -v setsid >/dev/null; then alone=setsid; else alone=; set -m; fi
  note=; [ -n "$folder" ] && note=$folder/leader; [ "$mark" = - ] || note=$marks/$mark
  $alone /bin/sh -c "$say"' w=$(cat); exec </dev/null; eval "$w"' sh "$note" 2>&4 4>&- 5<&- <<END
$text
END
  code=$?
  [ -n "$alone" ] || set +m
}

# Its sleep goes by KILL: dash and busybox lose a TERM that meets a child before it has become its program. Begun before
# the listener, so that $! is nobody else.
start_clock() {
  (
    trap "" PIPE
    trap 'kill -KILL $!; exit 0' TERM
    sleep "$limit" & sleeper=$!
    wait $sleeper || { sleep $((\${limit%.*}+1)) & sleeper=$!; wait $sleeper; }
    stop; exit 77
  ) >/dev/null 3>&- 4>&- 5<&- &
  clock=$!
}

# Ends the watchers, unless they are ending the command, and tells how it ended.
finish() {
  trap "" PIPE
  kill $clock $listener
  what="exit $code"
  wait $clock; [ $? = 77 ] && what=timeout
  if [ -n "$listener" ]; then wait $listener; [ $? = 78 ] && what=cancelled; fi
  [ -n "$folder" ] && [ -e "$folder/cancel" ] && what=cancelled
  echo "$id $what" >&3
}

# The output of a durable command from where it was seen to the end, and its report.
follow() {
  idle=0
  while :; do
    over=0; read -r report <"$folder/report" && over=1
    size=$(wc -c <"$folder/1") && [ $size -gt $seen1 ] && tail -c +$((seen1+1)) "$folder/1" | head -c $((size-seen1)) && seen1=$((size))
    size=$(wc -c <"$folder/2") && [ $size -gt $seen2 ] && tail -c +$((seen2+1)) "$folder/2" | head -c $((size-seen2)) >&4 && seen2=$((size))
    [ $over = 1 ] && break
    if [ -s "$folder/keeper" ] && kill -0 $(cat "$folder/keeper"); then idle=0; else idle=$((idle+1)); fi
    [ $idle -gt 20 ] && report="- gone" && break
    sleep 0.25 || sleep 1
  done
  echo "$id \${report#* }" >&3
}

echo "$id"; echo "$id" >&2
exec 3>&2 4>&2 5<&0 2>/dev/null </dev/null

if [ "$job" = - ]; then
  folder=; marks=${NOTES}/ssh-commands
  [ "$mark" = - ] || { old=$(umask); umask 077; mkdir -p "$marks"; umask $old; }
  start_clock
  ( while IFS= read -r l; do [ "$l" = cancel ] && break; done; stop; exit 78 ) <&5 >/dev/null 3>&- 4>&- &
  listener=$!
  launch
  [ "$mark" = - ] || rm -f "$marks/$mark"
  finish
else
  mark=-; jobs=${NOTES}/ssh-jobs
  folder=$jobs/$job
  old=$(umask); umask 077; mkdir -p "$jobs"
  if mkdir "$folder"; then
    find "$jobs" -mindepth 1 -maxdepth 1 -mtime +14 -exec rm -rf {} +
    : >"$folder/1"; : >"$folder/2"
    (
      trap "" HUP
      umask $old; listener=
      start_clock
      launch
      finish
    ) >"$folder/1" 3>"$folder/report" 4>"$folder/2" 5<&- &
    echo $! >"$folder/keeper"; echo "$digest" >"$folder/digest"
  fi
  rounds=0
  while ! read -r first <"$folder/digest" && [ $rounds -lt 50 ]; do rounds=$((rounds+1)); sleep 0.1 || sleep 1; done
  if [ "$first" != "$digest" ]; then echo "$id not-started other-key" >&3; exit 0; fi
  (
    while IFS= read -r l; do
      [ "$l" = cancel ] && : >"$folder/cancel" && stop
    done
  ) <&5 >/dev/null 3>&- 4>&- &
  listener=$!
  follow
  kill $listener
fi
exit 0
`

/** Without what only people read. */
const COMPACT = SCRIPT.replace(/^ *(#.*)?\n?/gm, '').trimEnd()
