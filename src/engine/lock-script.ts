/**
 * The lock on the target, as one constant POSIX sh text; everything that varies comes as an argument. A lock is a
 * symbolic link whose target is its content: it appears whole or not at all, and neither making nor reading it ever
 * opens a file, so that a name which another user of the machine has prepared in this shared folder leads nowhere.
 * The mutex, on the folder itself, makes read-and-replace one act; it is held for milliseconds, and dies with its
 * holder. The first folder outlives a restart of the machine, so that a run which that one cut off is
 * still found in the way; the others are for targets without it.
 *
 * Arguments: verb, name, own content, expected content. Prints one word, the age and the path of the lock, then its content.
 */
import { MUTEX_SCRIPT } from './mutex-script.ts'

export const LOCK_SCRIPT = `
verb=$1 name=$2 mine=$3 expected=$4
usable() { [ -d "$1" ] && [ ! -L "$1" ] && [ -w "$1" ]; }
show() {
  at=$(stat -c %Y "$found" 2>/dev/null || stat -f %m "$found" 2>/dev/null || echo 0)
  echo "$1 $(( $(date +%s) - at )) $found"
  printf '%s\\n' "$held"
}
dirs="/var/tmp/hostops-locks /run/lock/hostops /tmp/hostops-locks"
# A folder may have been writable for the holder and not be so for us, or not any more.
look() {
  for each in $dir $dirs; do
    found=$each/$name held=$(readlink "$each/$name" 2>/dev/null) && [ -n "$held" ] && return
  done
}
dir=
if [ "$verb" = read ]; then
  if look; then show held; else echo none; fi
  exit 0
fi
for dir in $dirs; do
  [ -e "$dir" ] || mkdir -m 1777 "$dir" 2>/dev/null
  usable "$dir" && break
done
usable "$dir" || { echo "unwritable $dir"; exit 1; }
# Whoever owns the folder could take locks away from others: root makes it root's, whoever came first.
[ -O "$dir" ] || { chown -h 0 "$dir" && usable "$dir" && chmod 1777 "$dir"; } 2>/dev/null
lock=$dir/$name
act() {
  look
  case $verb in
    acquire)
      if [ -z "$held" ] || [ "$held" = "$mine" ]; then put; else show held; fi ;;
    replace)
      if [ -z "$held" ] || [ "$held" = "$expected" ] || [ "$held" = "$mine" ]; then put; else show held; fi ;;
    touch)
      if [ "$held" = "$mine" ]; then touch -ch "$found"; echo mine; else show lost; fi ;;
    release)
      if [ "$held" = "$mine" ]; then rm -f "$found"; fi; echo released ;;
    write) put ;;
    remove) for dir in $dirs; do rm -f "$dir/$name" 2>/dev/null; done; echo removed ;;
  esac
}
put() {
  [ "$found" = "$lock" ] || rm -f "$found" 2>/dev/null
  if rm -f "$lock" && ln -sn "$mine" "$lock"; then echo mine; else echo "unwritable $lock"; fi
}
tries=0
again() {
  tries=$((tries + 1))
  [ "$tries" -lt 10 ] || { echo "unwritable $1"; exit 1; }
  sleep 1
}
if command -v flock >/dev/null 2>&1; then
  exec 9<"$dir"
  # Some builds of busybox have no -w.
  until flock -w 1 9 2>/dev/null || flock -n 9; do again "$dir"; done
  act
else
${MUTEX_SCRIPT}  until enter; do again "$dir/.mutex"; done
  trap leave EXIT
  trap 'exit 1' HUP INT TERM
  act
fi
`
