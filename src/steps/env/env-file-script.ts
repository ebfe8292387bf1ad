/**
 * How an env file is changed where it lies. Values come through the environment and leave it for the file only; what is
 * printed are keys.
 */
import { FOLDER } from '../compose/rollback-folder.ts'
import { AS_OWNER_OF_FOLDER } from '../git/owner.ts'

/**
 * Of a key that is there twice the last counts, for Compose as here. A quoted value may go over lines. Compares the entries
 * of `current` with those of `before` and `written`; prints the new file, or what each key is.
 */
const EDIT = `
function closed(text, quote,   i, c) {
  for (i = 1; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (c == "\\\\") i++
    else if (c == quote) return i
  }
  return 0
}
function load(file,   n, i, line, key, rest, quote, end) {
  split("", L); split("", from); split("", to); split("", head); split("", rear)
  while ((getline line < file) > 0) L[++n] = line
  close(file)
  for (i = 1; i <= n; i++) {
    line = bare(L[i])
    if (!match(line, /^[ \\t]*(export[ \\t]+)?[A-Za-z_][A-Za-z0-9_.-]*[ \\t]*[=:][ \\t]*/)) continue
    key = substr(line, 1, RLENGTH)
    rest = substr(line, RLENGTH + 1)
    line = key
    sub(/^[ \\t]*(export[ \\t]+)?/, "", key); sub(/[ \\t]*[=:][ \\t]*$/, "", key)
    from[key] = i
    quote = substr(rest, 1, 1)
    if (quote == "\\"" || quote == "\\047") {
      rest = substr(rest, 2)
      while (!(end = closed(rest, quote)) && i < n) rest = bare(L[++i])
      rear[key] = end ? substr(rest, end + 1) : ""
    } else {
      if (substr(rest, 1, 1) == "#" && sub(/[ \\t]+$/, "", line)) rest = " " rest
      rear[key] = match(rest, /[ \\t]+#/) ? substr(rest, RSTART) : ""
    }
    head[key] = line; to[key] = i
  }
  return n + 0
}
function bare(line) { sub(/\\r$/, "", line); return line }
function entry(key,   i, text) {
  if (!(key in from)) return ABSENT
  for (i = from[key]; i <= to[key]; i++) text = text (i > from[key] ? "\\n" : "") L[i]
  return bare(text)
}
function emit(text) { printf "%s%s", (emitted++ ? "\\n" : ""), text }
BEGIN {
  ABSENT = "\\n"
  mode = ENVIRON["HOSTOPS_MODE"]
  count = split(ENVIRON["HOSTOPS_KEYS"], K, " ")
  if (mode != "set") {
    load(ENVIRON["HOSTOPS_BEFORE"]); for (i = 1; i <= count; i++) B[i] = entry(K[i])
    load(ENVIRON["HOSTOPS_WRITTEN"]); for (i = 1; i <= count; i++) W[i] = entry(K[i])
  }
  n = load(ENVIRON["HOSTOPS_FILE"])
  for (i = 1; i <= count; i++) {
    key = K[i]; now = entry(key)
    if (mode == "set") {
      value = ENVIRON["HOSTOPS_VALUE_" i]
      want = now == ABSENT ? key "=" value : head[key] value rear[key]
      state = now == want ? "written" : "other"
    } else {
      want = B[i]
      state = now == B[i] ? (B[i] == W[i] ? "same" : "before") : now == W[i] ? "written" : "other"
      if (state == "other") want = now
    }
    if (ENVIRON["HOSTOPS_PRINT"] == "keys") print key, state
    if (now == want) continue
    if (now == ABSENT) add[++added] = want
    else {
      for (j = from[key]; j <= to[key]; j++) drop[j] = 1
      if (want != ABSENT) put[from[key]] = want (L[to[key]] ~ /\\r$/ ? "\\r" : "")
    }
  }
  if (ENVIRON["HOSTOPS_PRINT"] == "keys") exit
  for (i = 1; i <= n; i++) {
    if (i in put) emit(put[i])
    else if (!(i in drop)) emit(L[i])
  }
  for (i = 1; i <= added; i++) emit(add[i] (n > 0 && L[n] ~ /\\r$/ ? "\\r" : ""))
  if (emitted && ENVIRON["HOSTOPS_NEWLINE"] == 1) printf "\\n"
}
`

/** FILE in the current folder; prints why it cannot be changed. */
const USABLE = `
no() { echo "unusable $1"; exit 9; }
[ ! -L "$1" ] || no symlink
[ -e "$1" ] || no missing
[ -f "$1" ] || no not-a-file
[ -r "$1" ] || no unreadable
if [ ! -w "$1" ] || [ ! -w . ]; then no unwritable; fi
[ -z "$(find "$1" -links +1)" ] || no hard-link
tr -d "\\000" <"$1" | cmp -s - "$1" || no binary
`

/** FILE in the current folder becomes what is on stdin; mode and owner stay. */
const REPLACE = `
tmp=$(mktemp ./.hostops-env.XXXXXX 2>/dev/null) || exit 1
trap "rm -f -- \\"$tmp\\"" EXIT
trap "exit 1" HUP INT TERM
cp -a -- "$1" "$tmp" 2>/dev/null && cat >"$tmp" || exit 1
[ "$(stat -c "%a %u:%g" -- "$tmp")" = "$(stat -c "%a %u:%g" -- "$1")" ] || exit 1
sync -- "$tmp" 2>/dev/null
mv -f -- "$tmp" "$1"
`

/**
 * VERB PATH FOLDER KEY...; `keep` takes the three words that name the folder, and prints it. What is done in the folder of the
 * file is done as the owner of that folder, who could put a link in the way of anybody else.
 */
export const ENV_FILE = `
export LC_ALL=C HOSTOPS_MODE HOSTOPS_KEYS HOSTOPS_FILE HOSTOPS_BEFORE HOSTOPS_WRITTEN HOSTOPS_PRINT HOSTOPS_NEWLINE
umask 077
verb=$1 path=$2; shift 2
no() { echo "unusable $1"; exit 9; }
cd -- "\${path%/*}/" 2>/dev/null || no missing
file=./\${path##*/}
${AS_OWNER_OF_FOLDER}
usable() {
  $as sh -c '${USABLE}' hostops-env "$file" && return
  [ $? = 9 ] || no unwritable
  exit 9
}
edit() { HOSTOPS_MODE=$1 HOSTOPS_PRINT=$2 awk "$EDIT"; }
write() {
  # A full disk is no reason to lose the rest of the file: not every awk says that it could not write.
  edit "$1" file >"$work/new" && edit "$1" file | cmp -s - "$work/new" || no unwritable
  [ "$1" != set ] || cp -- "$work/new" "$folder/written" || exit 3
  $as sh -c '${REPLACE}' hostops-env "$file" <"$work/new" || no unwritable
}
EDIT='${EDIT}'
if [ "$verb" = keep ]; then
  usable
  ${FOLDER}
  [ -f "$folder/before" ] || { $as cat -- "$file" >"$folder/.new" && mv -f -- "$folder/.new" "$folder/before"; } || exit 3
  echo "$folder"
  exit
fi
folder=$1; shift
[ "$verb" = look ] || usable
work=$(mktemp -d "\${TMPDIR:-/tmp}/hostops-env.XXXXXX") || exit 3
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM
$as cat -- "$file" >"$work/now" 2>/dev/null || [ ! -e "$file" ] || no unreadable
HOSTOPS_KEYS=$* HOSTOPS_FILE=$work/now HOSTOPS_BEFORE=$folder/before HOSTOPS_WRITTEN=$folder/written HOSTOPS_NEWLINE=1
[ -f "$HOSTOPS_WRITTEN" ] || HOSTOPS_WRITTEN=$HOSTOPS_BEFORE
case $verb in
look) edit restore keys; exit ;;
wanted) edit set keys; exit ;;
esac
[ ! -s "$work/now" ] || [ -z "$(tail -c 1 -- "$work/now")" ] || HOSTOPS_NEWLINE=0
edit "$verb" keys
case $verb in
set) edit set keys | grep -q ' other$' && write set ;;
restore) edit restore keys | grep -q ' written$' && write restore ;;
esac
exit 0
`
