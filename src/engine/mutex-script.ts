/**
 * One at a time in the folder `$dir`, in POSIX sh, for targets without flock(1), whose lock the kernel would drop with its
 * holder. A mutex is a symbolic link whose target names who has made it (host, boot, process ids' space, process, its
 * start), so that it appears whole. Where that one is proven dead, the link named after it is the mutex in its place, and
 * so on: only one can make it, and who has it may remove all of those before it. Who finds a link on the way there
 * changed since was too slow, and begins again.
 *
 * `enter` fails where somebody else is in; `leave` frees it.
 */
export const MUTEX_SCRIPT = `
host=$(uname -n)
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) || boot=none
space=$(readlink /proc/$$/ns/pid 2>/dev/null) || space=none
# Nothing where there is no such process, ? where that cannot be known.
start_of() {
  if [ -d /proc/1 ]; then
    [ -d "/proc/$1" ] || return 0
    stat=
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null
    set -f; set -- \${stat##*) }; set +f
    case $1 in
      '') echo '?' ;;
      [ZX]) ;;
      *) shift 19; echo "$1" ;;
    esac
  elif [ -d /proc/self ]; then echo '?' # Those of others are hidden.
  else ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _
  fi
}
start=$(start_of $$)
me="$host $boot $space $$ \${start:-?}"
dead() {
  set -f; set -- $1; set +f
  [ $# = 5 ] && [ "$1" = "$host" ] || return 1
  if [ "$2" != "$boot" ]; then
    [ "$2" != none ] && [ "$boot" != none ]
    return
  fi
  case $4 in *[!0-9]*) return 1 ;; esac
  [ "$3" = "$space" ] && [ "$5" != '?' ] && [ "\${start:-?}" != '?' ] || return 1
  now=$(start_of "$4")
  [ "$now" != '?' ] && [ "$now" != "$5" ]
}
make() { ln -sn "$me" "$dir/$1" 2>/dev/null && [ "$(readlink "$dir/$1")" = "$me" ]; }
heir() { echo ".mutex.$(printf '%s' "$1" | cksum | tr ' ' -)"; }
enter() {
  at=.mutex chain=.mutex
  until make "$at"; do
    holder=$(readlink "$dir/$at") && dead "$holder" && [ \${#chain} -lt 4096 ] || return 1
    at=$(heir "$holder") chain="$chain $at"
  done
  way=.mutex
  until [ "$way" = "$at" ]; do
    holder=$(readlink "$dir/$way") && way=$(heir "$holder") || { rm -f "$dir/$at"; return 1; }
  done
}
leave() { for each in $chain; do rm -f "$dir/$each" 2>/dev/null; done; }
`
