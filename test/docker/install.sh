#!/bin/bash
# install.sh - Docker engine + `docker compose` v2 + buildx on Debian 12 (bookworm), as root.
#
#   Engine, CLI, compose and buildx are the trixie (Debian 13) packages; containerd, runc, tini and
#   iptables stay bookworm's. The trixie packages need only glibc 2.34, so they run on glibc 2.36;
#   trixie's own runc and tini do not (glibc 2.38), which is why those are left alone.
#   trixie is read through a private apt state (DL_DIR): /etc/apt is not changed.
#
# Idempotent: what is already there and works is kept. Works with and without systemd.
#   ENGINE=auto      (default) keep an engine that is installed, else install trixie's
#   ENGINE=trixie    install/upgrade to trixie's engine even when one is installed (and stopped)
#   ENGINE=bookworm  bookworm's docker.io 20.10 + the two plugins, unpacked to /usr/local/lib/docker
#   START=0          install only, do not start the engine
#   DEBIAN_MIRROR=URL, DL_DIR=DIR, DOCKERD_LOG=FILE, WAIT_S=SECONDS, DOCKERD_ARGS="..."
set -euo pipefail
# the archive that this machine itself installs Debian from
MIRROR=${DEBIAN_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
  sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' | grep -m1 -E '/debian/?$' || true)}
DL_DIR=${DL_DIR:-/var/cache/hostops-docker}
LOG=${DOCKERD_LOG:-/var/log/dockerd.log}
WAIT_S=${WAIT_S:-60}
ENGINE=${ENGINE:-auto}
START=${START:-1}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
PLUGDIR=/usr/local/lib/docker/cli-plugins
T0=$(date +%s)
say() { echo "docker/install: [$(( $(date +%s) - T0 ))s] $*"; }
die() { echo "docker/install: ERROR: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "run as root"
[ -n "$MIRROR" ] || die "no Debian archive in the apt sources (set DEBIAN_MIRROR)"
case $ENGINE in auto|trixie|bookworm) ;; *) die "ENGINE must be auto, trixie or bookworm, got '$ENGINE'" ;; esac
. /etc/os-release
[ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = 12 ] || die "this is ${PRETTY_NAME:-unknown}, the script is for Debian 12"
ARCH=$(dpkg --print-architecture)
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
APT=(apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)

engine_up() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
have_compose() { docker compose version >/dev/null 2>&1; }
have_buildx() { docker buildx version >/dev/null 2>&1; }

# ---------------------------------------------------------------- packages
quiet() { # run, show the output only on failure
  local out; out=$(mktemp)
  if ! "$@" >"$out" 2>&1; then tail -n 30 "$out" >&2; rm -f "$out"; return 1; fi
  rm -f "$out"
}
apt_update_once() {
  [ -z "${UPDATED:-}" ] || return 0
  say "apt-get update"
  # a third-party source that fails must not stop us as long as Debian's own lists are there
  quiet "${APT[@]}" update || [ -n "$(apt-cache madison containerd 2>/dev/null)" ] || die "apt-get update failed and no Debian list is cached"
  UPDATED=1
}
trixie_download() { # package names -> .deb files in $DL_DIR/debs
  [ -r "$KEYRING" ] || die "$KEYRING is missing (package debian-archive-keyring)"
  mkdir -p "$DL_DIR"/{lists/partial,cache/archives/partial,debs}
  cat > "$DL_DIR/trixie.sources" <<E
Types: deb
URIs: $MIRROR
Suites: trixie trixie-updates
Components: main
Architectures: $ARCH
Signed-By: $KEYRING
E
  local TA=("${APT[@]}" -o "Dir::Etc::sourcelist=$DL_DIR/trixie.sources" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$DL_DIR/lists" -o "Dir::Cache=$DL_DIR/cache" -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o APT::Update::Error-Mode=any -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
  if [ -z "${TRIXIE_UPDATED:-}" ]; then
    say "read trixie's package list from $MIRROR (private apt state in $DL_DIR)"
    quiet "${TA[@]}" update || die "cannot read trixie from $MIRROR"
    TRIXIE_UPDATED=1
  fi
  local p; for p in "$@"; do rm -f "$DL_DIR/debs/${p}_"*.deb; done
  say "download from trixie: $*"
  (cd "$DL_DIR/debs" && quiet "${TA[@]}" download "$@") || die "cannot download $* from trixie"
}
deb_of() { local f; f=$(ls "$DL_DIR/debs/$1"_*.deb 2>/dev/null | head -1); [ -n "$f" ] || die "no .deb of $1 in $DL_DIR/debs"; echo "$f"; }

command -v dockerd >/dev/null && HAVE_ENGINE=1 || HAVE_ENGINE=0
WANT=$ENGINE
[ "$WANT" != auto ] || { [ "$HAVE_ENGINE" = 1 ] && WANT=keep || WANT=trixie; }
if [ "$WANT" = trixie ] && dpkg-query -W -f '${Status} ${Version}' docker.io 2>/dev/null | grep -q 'ok installed 2[6-9]\.'; then WANT=keep; fi
if [ "$WANT" = bookworm ] && [ "$HAVE_ENGINE" = 1 ]; then WANT=keep; fi
if [ "$WANT" = trixie ] && [ "$HAVE_ENGINE" = 1 ] && pgrep -x dockerd >/dev/null; then
  die "an engine runs (pid $(pgrep -x dockerd | tr '\n' ' ')); stop it first, or use ENGINE=auto to keep it"
fi

# maintainer scripts must not start the engine behind our back: without systemd invoke-rc.d would
POLICY=
if [ ! -d /run/systemd/system ] && [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; POLICY=1
fi
cleanup() { [ -z "$POLICY" ] || rm -f /usr/sbin/policy-rc.d; }
trap cleanup EXIT

EXTRA=(); for p in git iptables busybox-static ca-certificates curl procps; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || EXTRA+=("$p")
done
case $WANT in
  trixie)
    trixie_download docker.io docker-cli docker-compose docker-buildx
    apt_update_once
    say "install the engine (trixie) with containerd, runc, tini of bookworm"
    quiet "${APT[@]}" install -y --no-install-recommends "${EXTRA[@]}" \
      "$(deb_of docker.io)" "$(deb_of docker-cli)" "$(deb_of docker-compose)" "$(deb_of docker-buildx)" \
      || die "apt-get could not install the trixie packages (ENGINE=bookworm is the fallback)"
    ;;
  bookworm)
    apt_update_once
    say "install docker.io of bookworm"
    quiet "${APT[@]}" install -y --no-install-recommends "${EXTRA[@]}" docker.io || die "apt-get could not install docker.io"
    ;;
  keep)
    say "an engine is installed, kept: $(dockerd --version)"
    if [ ${#EXTRA[@]} -gt 0 ]; then
      apt_update_once
      quiet "${APT[@]}" install -y --no-install-recommends "${EXTRA[@]}" || die "apt-get could not install ${EXTRA[*]}"
    fi
    ;;
esac
hash -r
command -v docker >/dev/null || die "the docker CLI is missing after the installation"

# plugins that are still missing (kept engine, bookworm engine): unpack only the binary
MISSING=(); have_compose || MISSING+=(docker-compose); have_buildx || MISSING+=(docker-buildx)
if [ ${#MISSING[@]} -gt 0 ]; then
  trixie_download "${MISSING[@]}"
  mkdir -p "$PLUGDIR"
  for p in "${MISSING[@]}"; do
    X=$(mktemp -d); dpkg -x "$(deb_of "$p")" "$X"
    install -m 755 "$X/usr/libexec/docker/cli-plugins/$p" "$PLUGDIR/$p" || die "$p: no CLI plugin in the package"
    rm -rf "$X"; say "unpacked $PLUGDIR/$p"
  done
fi
have_compose || die "docker compose does not run: $(docker compose version 2>&1 | head -2)"
have_buildx || die "docker buildx does not run: $(docker buildx version 2>&1 | head -2)"
cleanup; POLICY=

# ---------------------------------------------------------------- engine
[ "$START" = 1 ] || { say "installed, not started (START=0)"; exit 0; }
STARTED=
if engine_up; then
  say "the engine already answers"
elif pgrep -x dockerd >/dev/null; then
  say "dockerd runs (pid $(pgrep -x dockerd | head -1)) and does not answer yet"
elif [ -d /run/systemd/system ]; then
  say "start the engine with systemd"; LOG="(journalctl -u docker)"
  systemctl start docker || { journalctl -u docker -n 30 --no-pager >&2 || true; die "systemctl start docker failed"; }
else
  mountpoint -q /proc || die "/proc is not mounted"
  if ! mountpoint -q /sys/fs/cgroup; then
    say "mount cgroup2 on /sys/fs/cgroup"
    mount -t cgroup2 none /sys/fs/cgroup || die "no cgroup hierarchy and mounting one failed: is this a container without privileges?"
  fi
  # a pid file or socket left by an engine that was killed keeps a new one from starting
  rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
  mkdir -p "$(dirname "$LOG")"
  say "start dockerd (log $LOG)"
  setsid nohup dockerd ${DOCKERD_ARGS:-} </dev/null >>"$LOG" 2>&1 &
  STARTED=$!
fi
for ((i = 0; i < WAIT_S * 5; i++)); do
  engine_up && break
  if [ -n "$STARTED" ] && ! kill -0 "$STARTED" 2>/dev/null && ! pgrep -x dockerd >/dev/null; then
    [ -f "$LOG" ] && tail -n 20 "$LOG" >&2
    die "dockerd stopped during its start, its last lines are above (log $LOG)"
  fi
  sleep 0.2
done
engine_up || { [ -f "$LOG" ] && tail -n 20 "$LOG" >&2; die "the engine did not answer within ${WAIT_S}s (log $LOG): $(docker version 2>&1 | tail -1)"; }

say "ready: engine $(docker version --format '{{.Server.Version}} (API {{.Server.APIVersion}})'), CLI $(docker version --format '{{.Client.Version}}'), compose $(docker compose version --short), buildx $(docker buildx version | awk '{print $2}'), storage $(docker info --format '{{.Driver}}, cgroup v{{.CgroupVersion}}'), dockerd pid $(pgrep -x dockerd | head -1)"
