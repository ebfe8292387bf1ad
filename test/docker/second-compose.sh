#!/bin/bash
# second-compose.sh [DIR]
# Another Compose v2 beside the installed one, with the buildx that it wants: the packages of a newer Debian, unpacked
# and not installed, so that
#   DOCKER_CONFIG=DIR docker compose ...
# runs it against the same engine. Prints DIR and its version on stdout: "DIR VERSION". Kept when it is there already.
# The newer Debian is read through a private apt state: /etc/apt is not changed.
#   DEBIAN_MIRROR=URL, SUITE=forky
set -euo pipefail
die() { echo "docker/second-compose: ERROR: $*" >&2; exit 1; }
DIR=${1:-/var/cache/hostops-docker/second}
SUITE=${SUITE:-forky}
MIRROR=${DEBIAN_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
  sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' | grep -m1 -E '/debian/?$' || true)}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

version() { DOCKER_CONFIG=$DIR docker compose version --short 2>/dev/null; }
command -v docker >/dev/null || die "docker is not installed (run test/docker/install.sh first)"
OWN=$(docker compose version --short) || die "no Compose v2 is installed (run test/docker/install.sh first)"
done_when_second() {
  local now; now=$(version) || return 1
  [ -x "$DIR/cli-plugins/docker-compose" ] && [ -x "$DIR/cli-plugins/docker-buildx" ] && [ "$now" != "$OWN" ] || return 1
  echo "$DIR $now"
}
done_when_second && exit 0

[ -n "$MIRROR" ] || die "no Debian archive in the apt sources (set DEBIAN_MIRROR)"
[ -r "$KEYRING" ] || die "$KEYRING is missing (package debian-archive-keyring)"
mkdir -p "$DIR/cli-plugins" || die "cannot write to $DIR"
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
mkdir -p "$T"/{lists/partial,cache/archives/partial}
cat > "$T/sources" <<S
deb [signed-by=$KEYRING] $MIRROR $SUITE main
S
APT=(apt-get -q -o "Dir::Etc::sourcelist=$T/sources" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::Lists=$T/lists"
  -o "Dir::Cache=$T/cache" -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o Acquire::Retries=3
  -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any -o Acquire::Languages=none
  -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
"${APT[@]}" update >"$T/log" 2>&1 || die "cannot read $SUITE from $MIRROR: $(tail -1 "$T/log")"
(cd "$T" && "${APT[@]}" download docker-compose docker-buildx >>"$T/log" 2>&1) ||
  die "cannot download docker-compose and docker-buildx of $SUITE: $(tail -1 "$T/log")"
for deb in "$T"/*.deb; do dpkg-deb -x "$deb" "$T/unpacked"; done
for plugin in docker-compose docker-buildx; do
  file=$(find "$T/unpacked" -type f -name "$plugin" -path '*cli-plugins*' | head -1)
  [ -n "$file" ] || die "the package of $SUITE has no plugin $plugin"
  install -m 755 "$file" "$DIR/cli-plugins/$plugin"
done
done_when_second || die "what $SUITE has is not another version than $OWN, or does not run here: $(DOCKER_CONFIG=$DIR docker compose version 2>&1 | tail -1)"
