#!/bin/bash
# base-image.sh [IMAGE]
# Makes the image (hostops-base:1: scratch + busybox-static) in the running Docker engine, where it is not there yet.
# `docker import` needs neither a build nor a registry. Two at once make one.
set -euo pipefail
die() { echo "docker/base-image: ERROR: $*" >&2; exit 1; }
BASE=${1:-hostops-base:1}
exec 9<"$(dirname "${BASH_SOURCE[0]}")"
flock 9
if docker image inspect "$BASE" >/dev/null 2>&1; then exit 0; fi

BB=${BUSYBOX:-$(command -v busybox || true)}
[ -n "$BB" ] || die "busybox is not installed (apt-get install busybox-static)"
if ldd "$BB" >/dev/null 2>&1; then die "$BB is dynamically linked; install busybox-static"; fi
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
mkdir -p "$T"/{bin,etc,tmp,proc,sys,dev,root}; chmod 1777 "$T/tmp"
cp "$BB" "$T/bin/busybox"; chmod 755 "$T/bin/busybox"
for a in $("$BB" --list); do [ "$a" = busybox ] || ln -s busybox "$T/bin/$a"; done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$T/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' > "$T/etc/group"
tar -C "$T" --numeric-owner --owner=0 --group=0 -c . |
  docker import --change 'ENV PATH=/bin' --change 'CMD ["/bin/sh"]' - "$BASE" >/dev/null
