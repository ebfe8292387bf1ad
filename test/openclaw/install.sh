#!/bin/bash
# install.sh [RELEASE]... - the OpenClaw releases that test/openclaw runs against (without any: both), and a Node that the
# newer one accepts. 1.3 GB in all; what is there already is kept. Several callers wait for each other.
set -euo pipefail
CACHE=${HOSTOPS_OPENCLAW_CACHE:-/var/cache/hostops-openclaw}
[ $# -gt 0 ] || set -- 2026.4.20 2026.9.6

# npm would leave its compiled code among the temporary files.
export NODE_DISABLE_COMPILE_CACHE=1
mkdir -p "$CACHE"
exec 9>"$CACHE.lock"
flock 9

# install FOLDER PACKAGE [MORE]: unpacked beside its place and moved there, so that half of one is never used.
install() {
  local folder=$CACHE/$1
  [ ! -e "$folder/.done" ] || return 0
  rm -rf "$folder" "$folder.part"
  mkdir -p "$folder.part"
  echo "{\"private\":true${3:-}}" >"$folder.part/package.json"
  (cd "$folder.part" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error "$2")
  touch "$folder.part/.done"
  mv "$folder.part" "$folder"
}

# The package `node` has an install script fetch this one.
platform=node-linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
install node24 "$platform@24"
ln -sfn "node_modules/$platform/bin/node" "$CACHE/node24/node"
# As the Node that runs it: for an older one npm would leave out what 2026.9.6 needs to migrate a state.
export PATH="$CACHE/node24/node_modules/$platform/bin:$PATH"
for release in "$@"; do
  overrides=
  [ "$release" != 2026.4.20 ] || overrides=',"overrides":{"linkedom":"0.18.12"}'
  install "$release" "openclaw@$release" "$overrides"
done
[ ! -e "$CACHE/2026.4.20/.done" ] || [ ! -e "$CACHE/2026.9.6/.done" ] || touch "$CACHE/READY"
