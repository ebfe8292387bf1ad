#!/bin/bash
# newer-engine.sh DIR up | exec [--] COMMAND... | down
# A second, newer Docker engine beside the installed one, which it does not touch: Debian unstable's engine, CLI, Compose,
# buildx and containerd, unpacked below DIR, with the installed runc and the containerd image store.
#   exec   runs COMMAND where that engine is the only one: its socket at the default path, its docker and Compose first in
#          PATH, its published ports on 127.0.0.1. Starts the engine when it does not run (`up` does only that).
#   down   stops the engine; what was unpacked stays for the next time.
# It runs in a mount and a network namespace of its own, without a way out. One DIR is one engine, also for several at once.
#   DEBIAN_MIRROR=URL. Root, Debian 12.
set -euo pipefail
usage='usage: newer-engine.sh DIR up | exec [--] COMMAND... | down'
DIR=${1:?$usage} VERB=${2:?$usage}
shift 2
die() { echo "docker/newer-engine: ERROR: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "run as root"
mkdir -p "$DIR"; DIR=$(cd "$DIR" && pwd)

unpack() {
  [ -x "$DIR/root/usr/sbin/dockerd" ] && return 0
  local mirror apt deb
  mirror=${DEBIAN_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' | grep -m1 -E '/debian/?$' || true)}
  [ -n "$mirror" ] || die "no Debian archive in the apt sources (set DEBIAN_MIRROR)"
  mkdir -p "$DIR"/apt/{lists/partial,cache/archives/partial,debs}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$DIR/apt/sources.list"
  apt=(-q -o "Dir::Etc::sourcelist=$DIR/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::Lists=$DIR/apt/lists"
    -o "Dir::Cache=$DIR/apt/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root -o Acquire::Retries=3
    -o APT::Update::Error-Mode=any -o Acquire::Languages=none)
  apt-get "${apt[@]}" update >"$DIR/apt/log" 2>&1 || die "cannot read sid from $mirror: $(tail -1 "$DIR/apt/log")"
  (cd "$DIR/apt/debs" && apt-get "${apt[@]}" download docker.io docker-cli docker-compose docker-buildx containerd) \
    >>"$DIR/apt/log" 2>&1 || die "cannot download the engine: $(tail -1 "$DIR/apt/log")"
  rm -rf "$DIR/root.new"
  for deb in "$DIR"/apt/debs/*.deb; do dpkg -x "$deb" "$DIR/root.new"; done
  mkdir -p "$DIR/bin" "$DIR/cli"
  cp -r "$DIR/root.new/usr/libexec/docker/cli-plugins" "$DIR/cli/"
  mv "$DIR/root.new" "$DIR/root"
  for program in sbin/dockerd sbin/docker-proxy bin/docker bin/docker-init bin/containerd bin/containerd-shim-runc-v2 bin/ctr; do
    ln -sfn "$DIR/root/usr/$program" "$DIR/bin/$(basename "$program")"
  done
  "$DIR/bin/dockerd" --version >/dev/null || die "its dockerd does not run here"
}

engine() { cat "$DIR/pid" 2>/dev/null; }
runs() { local pid; pid=$(engine) && [ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$DIR/bin/dockerd")" ]; }
inside() {
  PATH=$DIR/bin:$PATH:/usr/sbin:/sbin DOCKER_CONFIG=$DIR/cli HOSTOPS_ENGINE_CONFIG=$DIR/daemon.json \
    nsenter --target "$(engine)" --mount --net --wd="$PWD" -- env -u DOCKER_HOST -u DOCKER_CONTEXT "$@"
}

up() {
  exec 9>"$DIR/lock"
  flock 9
  command -v runc >/dev/null || [ -x /usr/sbin/runc ] || die "no runc here (run test/docker/install.sh first)"
  unpack
  if ! runs; then
    echo '{"features":{"containerd-snapshotter":true}}' >"$DIR/daemon.json"
    rm -f "$DIR/pid"
    PATH=$DIR/bin:$PATH:/usr/sbin:/sbin setsid unshare --mount --net --propagation private bash -ec '
      mount -t tmpfs -o mode=755 newer-engine /run
      mkdir -p /run/lock /run/sshd
      ip link set lo up
      exec dockerd --config-file "$1/daemon.json" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid"
    ' newer-engine "$DIR" >"$DIR/log" 2>&1 </dev/null 9>&- &
  fi
  for _ in $(seq 240); do
    runs && inside docker version >/dev/null 2>&1 && { exec 9>&-; return 0; }
    sleep 0.25
  done
  die "it does not come up: $(tail -1 "$DIR/log" | cut -c1-300)"
}

down() {
  local pid
  runs || return 0
  pid=$(engine)
  kill "$pid"
  for _ in $(seq 150); do
    [ -d "/proc/$pid" ] || return 0
    sleep 0.2
  done
  die "dockerd ($pid) does not end"
}

case $VERB in
  up) up; echo "engine $(inside docker version --format '{{.Server.Version}}'), Compose $(inside docker compose version --short)" ;;
  exec)
    [ "${1:-}" != -- ] || shift
    [ $# -gt 0 ] || die "$usage"
    up
    inside "$@"
    ;;
  down) down ;;
  *) die "$usage" ;;
esac
