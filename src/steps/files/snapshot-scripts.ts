/**
 * What is done on the target to a state folder. The copy is in `.hostops-snapshots` beside it, for this user only: on the same
 * file system, so that it can share blocks with the original and takes its place by a rename.
 *
 * In the folder of a run: `part`, the copy until it is whole, then `files`; `record`: inode, digest and time of the copy;
 * `ran`: the containers that ran; `paused`: those that were paused for it; `aside`: seconds and path of what was moved away.
 */

export const FOLDER_NAME = '.hostops-snapshots'

/** REAL FOLDER... Where somebody has put a link or a folder of theirs, nothing is done. */
const BEGIN = `
export LC_ALL=C
umask 077
real=$1 folder=$2; shift 2
no() { echo "problem $*"; exit 9; }
private() {
  cd -P -- "\${folder%/*}" 2>/dev/null && [ "$(pwd -P)" = "\${folder%/*}" ] && [ "$(stat -c %u:%a .)" = "$(id -u):700" ]
}
enter() { private && cd -- "\${folder##*/}"; }
`

/** One digest of all names, types, modes, owners, sizes, times and link targets. Contents are not read. */
const LIST = `
list() (
  cd -P -- "$1" || exit
  find . \\( -type d -printf 'd %m %U %G %T@ %P\\0' \\) -o -printf '%y %m %U %G %s %T@ %l %P\\0' |
    sort -z | sha256sum | cut -d ' ' -f 1
)
`

export const READ = `${BEGIN}
echo "there $(stat -c %i -- "$real" 2>/dev/null)"
echo "now $(date +%s)"
[ -d "$folder" ] || exit 0
enter || no private
[ ! -s paused ] || echo "paused $(tr '\\n' ' ' <paused)"
[ ! -s ran ] || echo "ran $(tr '\\n' ' ' <ran)"
[ ! -f record ] || echo "record $(cat record)"
[ ! -d files ] || echo "files $(stat -c %i files)"
[ ! -s aside ] || echo "aside $(tail -n 1 aside)"
`

/**
 * REAL FOLDER RAN CONTAINER... pauses each CONTAINER. Who waits for the copy is in a session of its own and ends with its pipe, so that the
 * containers go on whatever ends the copy. A listing before and after shows that nobody has written meanwhile.
 */
export const COPY = `${BEGIN}${LIST}
ran=$1; shift
mkdir -m 0700 "\${folder%/*}" 2>/dev/null
private || no private
[ -f .gitignore ] || echo '*' >.gitignore
mkdir -p "\${folder##*/}" && enter || exit 6
rm -rf record files part aside listing paused
echo "$ran" >ran
copy() {
  date +%s >at; list "$real" >listing
  cp -a --reflink=auto -T -- "$real" part || return 6
  [ "$(list "$real")" = "$(cat listing)" ] || return 8
}
exec 3>&1
began=$(date +%s%3N)
{
  [ $# = 0 ] || { echo "$*" | tr ' ' '\\n' >paused && sync paused && docker pause "$@" >/dev/null; } || { echo 7; exit; }
  copy >&3; echo $?
} | setsid -w sh -c 'trap "" HUP INT TERM; status=$(cat)
  [ $# = 0 ] || docker unpause "$@" >/dev/null 2>&1; exit "\${status:-5}"' hostops-unpause "$@"
status=$?
ended=$(date +%s%3N)
[ $# = 0 ] || { left=$(docker ps -q --no-trunc --filter status=paused) && ! echo "$left" | grep -qFxf paused && rm paused; } || no paused
[ "$status" != 0 ] || [ "$(list part)" = "$(cat listing)" ] || status=8
if [ "$status" != 0 ]; then
  rm -rf part
  [ "$status" != 8 ] || no moved
  exit "$status"
fi
sync -f part
echo "$(stat -c %i part) $(cat listing) $(cat at)" >record.new && sync record.new && mv -f record.new record &&
  mv -T part files && sync -f . || exit 6
echo "took $((ended - began))"
`

/** REAL FOLDER RUN. Safe to repeat from wherever it was cut off: nothing has the real name, or all of one folder has. */
export const SWAP = `${BEGIN}${LIST}
enter || no private
read -r inode digest at <record || no gone
[ -d files ] || exit 0
[ "$(list files)" = "$digest" ] || no damaged
pattern=$(printf %s "$real" | sed 's/[][*?\\\\]/\\\\&/g')
for each in $(find /proc/[0-9]*/cwd /proc/[0-9]*/fd -maxdepth 1 \\( -lname "$pattern" -o -lname "$pattern/*" \\) 2>/dev/null); do
  pid=\${each#/proc/}; pid=\${pid%%/*}
  # In a container that path may be another folder.
  [ "/proc/$pid/root$real" -ef "$real" ] && no in-use "process $pid ($(cat "/proc/$pid/comm"))"
done
there=../../\${real##*/} aside=
if [ -e "$there" ] || [ -L "$there" ]; then
  n=0 aside=.failed-$1
  while [ -e "$there$aside" ] || [ -L "$there$aside" ]; do n=$((n + 1)) aside=.failed-$1.$n; done
  echo "$(($(date +%s) - at)) $real$aside" >>aside && sync aside && mv -T -- "$there" "$there$aside" || exit 6
fi
mv -T -- files "$there" || { [ -z "$aside" ] || mv -T -- "$there$aside" "$there"; exit 6; }
sync -f . ../..
`

/** REAL FOLDER. What a copy that was cut off has left. */
export const CLEAR = `${BEGIN}
[ -d "$folder" ] || exit 0
enter || no private
rm -rf part paused
`

/**
 * REAL FOLDER KEEP: of the copies of this state the newest stay, KEEP of them. With `back`, this run's own goes; its record
 * stays for now, since a run that is cut off here is rolled back once more.
 */
export const TIDY = `${BEGIN}
own=\${folder##*/}
private || exit 0
if [ "$2" = back ] && [ -d "$own/files" ]; then
  read -r inode rest <"$own/record"
  echo "$(stat -c %i -- "$real") $rest" >"$own/record.new" && mv -f "$own/record.new" "$own/record" && rm -rf "$own/files"
fi
n=0
for each in $(ls -1dt -- "\${own%%-*}"-*); do
  if [ -d "$each/files" ]; then
    n=$((n + 1)); [ "$n" -gt "$1" ] || continue
  fi
  [ "$each" = "$own" ] || [ -s "$each/paused" ] || rm -rf -- "$each"
done
exit 0
`
