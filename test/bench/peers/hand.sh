#!/bin/bash
# hand.sh REPO REF SERVICE TIMEOUT_S: what a careful person types, who reacts at once and never mistypes. Where the upgrade
# fails, the same with what was there before. BACK=1 only goes to REF, as a person takes back what has succeeded.
set -u
cd "$1" || exit 1
ref=$2 service=$3 timeout=$4
before=$(git rev-parse HEAD)
go() { docker compose up -d --build --wait --wait-timeout "$timeout" "$service"; }
to() { git -c advice.detachedHead=false checkout "$1"; }
if [ -n "${BACK:-}" ]; then to "$ref" && go; exit; fi
git fetch --prune --tags && to "$ref" && go && exit 0
to "$before" && go && exit 1
exit 2
