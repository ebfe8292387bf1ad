#!/bin/bash
# fixture.sh DIR [PORT [PROJECT]]
# Creates, offline (no registry):
#   DIR/upstream.git   bare repo, branch main = v1, tags v1 v2 v3-broken v4-unhealthy v5-crashloop
#   DIR/gateway        clone of it, on tag v1, with an untracked (ignored) .env: project name, port
#   image hostops-base:1 (base-image.sh; BASE names it otherwise) in the running Docker engine
# PORT defaults to 18080, PROJECT to "gateway". Refuses a DIR that already holds a fixture unless FORCE=1.
set -euo pipefail
die() { echo "docker/fixture: ERROR: $*" >&2; exit 1; }
BASE=${BASE:-hostops-base:1}
DIR=${1:-}; PORT=${2:-18080}; PROJECT=${3:-gateway}
[ -n "$DIR" ] || die "usage: fixture.sh DIR [PORT [PROJECT]]"
[[ $PORT =~ ^[0-9]+$ ]] || die "PORT must be a number, got '$PORT'"
[[ $PROJECT =~ ^[a-z0-9][a-z0-9_-]*$ ]] || die "PROJECT must match [a-z0-9][a-z0-9_-]*, got '$PROJECT'"
for t in git docker tar; do command -v "$t" >/dev/null || die "$t is not installed"; done
docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || die "the Docker engine does not answer (run test/docker/install.sh first)"
if [ -e "$DIR/upstream.git" ] || [ -e "$DIR/gateway" ]; then
  [ "${FORCE:-0}" = 1 ] || die "$DIR already holds a fixture (set FORCE=1 to replace it)"
  rm -rf "$DIR/upstream.git" "$DIR/gateway" "$DIR/.src"
fi
mkdir -p "$DIR"; DIR=$(cd "$DIR" && pwd)

bash "$(dirname "${BASH_SOURCE[0]}")/base-image.sh" "$BASE"

# ---- upstream
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=fixture GIT_AUTHOR_EMAIL=fixture@example.invalid
export GIT_COMMITTER_NAME=fixture GIT_COMMITTER_EMAIL=fixture@example.invalid
S="$DIR/.src"; rm -rf "$S"
git init -q -b main --bare "$DIR/upstream.git"
git init -q -b main "$S"
cd "$S"
cat > .gitignore <<'E'
.env
E
cat > .dockerignore <<'E'
.git
.env
E
cat > compose.yaml <<'E'
services:
  gateway:
    build:
      context: .
      args:
        GIT_REF: ${GATEWAY_REF:-unknown}
    ports:
      - "127.0.0.1:${GATEWAY_PORT:-18080}:8080"
    restart: unless-stopped
    stop_grace_period: 2s
    healthcheck:
      test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/readyz"]
      interval: 1s
      timeout: 3s
      retries: 3
      start_period: 1s
E
# one connection per run: nc -ll -e execs it with the socket as stdin/stdout
cat > serve.sh <<'E'
#!/bin/sh
read -r method path proto || exit 0
while read -r h; do h=${h%?}; [ -n "$h" ] || break; done
V=$(cat /app/VERSION)
R=$(cat /app/READY)
s="200 OK"
case "$path" in
  /healthz) b="ok" ;;
  /readyz) if [ "$R" = yes ]; then b="ready"; else s="503 Service Unavailable"; b="not ready: upstream database is unreachable"; fi ;;
  /version) b="{\"version\":\"$V\",\"ref\":\"$GIT_REF\"}" ;;
  *) s="404 Not Found"; b="not found" ;;
esac
printf 'HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s\n' "$s" "$(( ${#b} + 1 ))" "$b"
[ "$path" = /healthz ] || echo "$method $path -> ${s%% *}" >&2
E
cat > start.sh <<'E'
#!/bin/sh
echo "gateway $(cat /app/VERSION) (ref $GIT_REF) starts on :8080"
trap 'echo "gateway stops"; kill $p 2>/dev/null; exit 0' TERM INT
nc -ll -p 8080 -e /app/serve.sh &
p=$!
wait $p
E
write_dockerfile() { # version, extra line
cat > Dockerfile <<E
FROM $BASE
ARG GIT_REF=unknown
LABEL org.opencontainers.image.title="gateway" \\
      org.opencontainers.image.version="$1"
COPY VERSION READY start.sh serve.sh /app/
RUN chmod 755 /app/start.sh /app/serve.sh${2:+
$2}
ENV GIT_REF=\$GIT_REF
LABEL org.opencontainers.image.revision=\$GIT_REF
EXPOSE 8080
CMD ["/app/start.sh"]
E
}
N=0
commit() { # tag, message
  N=$((N+1)); local d="2026-01-0${N}T00:00:00Z"
  git add -A; GIT_AUTHOR_DATE=$d GIT_COMMITTER_DATE=$d git commit -q -m "$2"
  GIT_COMMITTER_DATE=$d git tag -a "$1" -m "$2"
}
echo v1 > VERSION; echo yes > READY; write_dockerfile v1; commit v1 "gateway v1"
echo v2 > VERSION; write_dockerfile v2; commit v2 "gateway v2"
echo v3-broken > VERSION; write_dockerfile v3-broken 'RUN echo "compiling gateway"; echo "main.c:12: error: expected declaration" >&2; exit 2'
commit v3-broken "gateway v3: the build fails"
echo v4-unhealthy > VERSION; echo no > READY; write_dockerfile v4-unhealthy; commit v4-unhealthy "gateway v4: starts, never ready"
echo v5-crashloop > VERSION; echo yes > READY; write_dockerfile v5-crashloop
cat > start.sh <<'E'
#!/bin/sh
echo "gateway $(cat /app/VERSION) (ref $GIT_REF) starts on :8080"
echo "panic: missing required setting GATEWAY_SECRET" >&2
exit 1
E
commit v5-crashloop "gateway v5: exits at start"
git remote add origin "$DIR/upstream.git"
git push -q origin v1^{}:refs/heads/main --tags
cd "$DIR"; rm -rf "$S"

# ---- clone, on v1
git clone -q "$DIR/upstream.git" "$DIR/gateway"
git -C "$DIR/gateway" -c advice.detachedHead=false checkout -q v1
cat > "$DIR/gateway/.env" <<E
COMPOSE_PROJECT_NAME=$PROJECT
GATEWAY_PORT=$PORT
E
[ -z "$(git -C "$DIR/gateway" status --porcelain)" ] || die "the clone is not clean"
echo "upstream=$DIR/upstream.git"
echo "clone=$DIR/gateway"
echo "url=http://127.0.0.1:$PORT"
echo "project=$PROJECT"
