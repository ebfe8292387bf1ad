/**
 * The lock on the target, as one constant POSIX sh text; everything that varies comes as an argument. A lock is a
 * file that appears whole or not at all (`ln`), and is replaced or removed only by who knows its content. The mutex
 * makes read-and-replace one act; it is held for milliseconds, and the kernel drops it with its holder.
 *
 * Arguments: verb, name, own content, expected content. Prints one word, then the present content and its age.
 */
export const LOCK_SCRIPT = `
verb=$1 name=$2 mine=$3 expected=$4
for dir in /run/lock/hostops /var/lock/hostops /tmp/hostops-locks; do
  [ -d "$dir" ] || mkdir -m 1777 "$dir" 2>/dev/null || continue
  [ -w "$dir" ] && break
done
[ -w "$dir" ] || { echo "unwritable $dir"; exit 1; }
lock=$dir/$name
act() {
  held=$(cat "$lock" 2>/dev/null)
  case $verb in
    acquire)
      if [ -z "$held" ] || [ "$held" = "$mine" ]; then put; else show held; fi ;;
    replace)
      if [ -z "$held" ] || [ "$held" = "$expected" ] || [ "$held" = "$mine" ]; then put; else show held; fi ;;
    touch)
      if [ "$held" = "$mine" ]; then touch -c "$lock"; echo mine; else show lost; fi ;;
    release)
      if [ "$held" = "$mine" ]; then rm -f "$lock"; fi; echo released ;;
  esac
}
put() {
  new=$dir/.$name.$$
  if printf '%s\\n' "$mine" > "$new" && mv -f "$new" "$lock"; then echo mine; else rm -f "$new"; echo "unwritable $lock"; fi
}
show() {
  at=$(stat -c %Y "$lock" 2>/dev/null || stat -f %m "$lock" 2>/dev/null || echo 0)
  echo "$1 $(( $(date +%s) - at ))"
  printf '%s\\n' "$held"
}
if command -v flock >/dev/null 2>&1; then
  exec 9>>"$dir/.mutex" && chmod a+rw "$dir/.mutex" 2>/dev/null
  flock -w 20 9 || { echo "unwritable $dir/.mutex"; exit 1; }
  act
else
  tries=0
  until mkdir "$dir/.mutex.d" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 20 ] || { echo "unwritable $dir/.mutex.d"; exit 1; }
    sleep 1
  done
  trap 'rmdir "$dir/.mutex.d"' EXIT
  act
fi
`
