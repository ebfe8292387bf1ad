#!/bin/bash
# node-image.sh [TAG [PROGRAM ARGUMENT...]]
# Makes an image that holds this machine's node (or PROGRAM), the libraries that it needs, and busybox; offline (no registry).
# Fails when `node -e 0` (or PROGRAM with these arguments) does not run in it.
# TAG defaults to hostops-node:1. Kept when it is there already.
set -euo pipefail
die() { echo "docker/node-image: ERROR: $*" >&2; exit 1; }
TAG=${1:-hostops-node:1}
[ $# -gt 1 ] || set -- "$TAG" node -e 0
shift
NAME=$1
docker image inspect "$TAG" >/dev/null 2>&1 && exit 0
PROGRAM=$(readlink -f "$(command -v "$NAME")")
BB=${BUSYBOX:-$(command -v busybox || true)}
[ -n "$BB" ] || die "busybox is not installed (apt-get install busybox-static)"
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
mkdir -p "$T"/{bin,etc,tmp,proc,sys,dev,root,run}; chmod 1777 "$T/tmp"
cp "$BB" "$T/bin/busybox"
for a in $("$BB" --list); do [ "$a" = busybox ] || [ "$a" = "$NAME" ] || ln -s busybox "$T/bin/$a"; done
cp "$PROGRAM" "$T/bin/$NAME"; chmod 755 "$T/bin/$NAME" "$T/bin/busybox"
# "name => /path (address)" and "/path (address)": the loader is among the latter
ldd "$PROGRAM" | sed -nE 's/.*(=> | |^|\t)(\/[^ ]+) \(0x.*/\2/p' | sort -u | while read -r lib; do
  mkdir -p "$T$(dirname "$lib")"; cp -L "$lib" "$T$lib"
done
printf 'root:x:0:0:root:/root:/bin/sh\n' > "$T/etc/passwd"
printf 'root:x:0:\n' > "$T/etc/group"
tar -C "$T" --numeric-owner --owner=0 --group=0 -c . |
  docker import --change 'ENV PATH=/bin' --change 'CMD ["/bin/sh"]' - "$TAG" >/dev/null
docker run --rm --network none "$TAG" "$@" >/dev/null || die "$NAME does not run in the image"
