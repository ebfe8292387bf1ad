#!/bin/bash
# script.sh REPO REF SERVICE TIMEOUT_S URL: the script that people write once they have typed it a few times.
set -u
cd "$1" || exit 1
ref=$2 service=$3 timeout=$4 url=$5
before=$(git rev-parse HEAD)
to() { git -c advice.detachedHead=false checkout "$1"; }
healthy() {
  for _ in $(seq $((timeout / 3))); do
    curl -fsS --max-time 3 "$url" && return
    sleep 3
  done
  return 1
}
git fetch --prune --tags && to "$ref" && docker compose build "$service" &&
  docker compose up -d "$service" && healthy && exit 0
to "$before" && docker compose build "$service" && docker compose up -d "$service" && healthy && exit 1
exit 2
