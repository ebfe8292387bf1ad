/** Which commands and options of docker, of compose and of systemctl a rule's wildcard may stand for. */
import { readForms } from './forms.ts'

export const DOCKER_FORMS = readForms(`
@runs: --add-host: -a: --attach: --blkio-weight: --cap-drop: --cpu-period: --cpu-quota: -c: --cpu-shares: --cpus:
    --cpuset-cpus: --cpuset-mems: -d --detach --detach-keys: --dns: --dns-option: --dns-search: --domainname:
    --entrypoint: -e: --env: --expose: --health-cmd: --health-interval: --health-retries: --health-start-interval:
    --health-start-period: --health-timeout: --help -h: --hostname: --init -i --interactive --ip: --ip6: -l: --label:
    --link: --mac-address: -m: --memory: --memory-reservation: --memory-swap: --memory-swappiness: --mount: --name:
    --net: --network: --network-alias: --net-alias: --no-healthcheck --pids-limit: --platform: -p: --publish: -P
    --publish-all --pull: -q --quiet --read-only --restart: --rm --shm-size: --sig-proxy --stop-signal: --stop-timeout:
    --tmpfs: -t --tty --ulimit: -u: --user: -v: --volume: -w: --workdir:
run, create: @runs <passes>
exec: -d --detach --detach-keys: -e: --env: -i --interactive -t --tty -w: --workdir: --help <passes>
top: --help <passes>
ps: -a --all -f: --filter: --format: -n: --last: -l --latest --no-trunc -q --quiet -s --size --help
logs: --details -f --follow --since: -n: --tail: -t --timestamps --until: --help
inspect: -f: --format: -s --size --type: --help
images: -a --all --digests -f: --filter: --format: --no-trunc -q --quiet --tree --help
build: --add-host: --annotation: --build-arg: -c: --cpu-period: --cpu-quota: --cpu-shares: --cpuset-cpus: --cpuset-mems:
    -f/ --file/ --force-rm --isolation: --label: --load -m: --memory: --memory-swap: --network: --no-cache
    --no-cache-filter: --platform: --progress: --pull? -q --quiet --rm --shm-size: --squash -t: --tag: --target:
    --ulimit: --check --help <inside>
stop, restart: -s: --signal: -t: --time: --timeout: --help
kill: -s: --signal: --help
start: -a --attach --detach-keys: -i --interactive --help
attach: --detach-keys: --no-stdin --sig-proxy --help
pause, unpause, wait, port, rename, tag, diff, logout: --help
rm: -f --force -l --link --help
commit: -a: --author: -c: --change: -m: --message: -p --pause --help
pull: -a --all-tags -q --quiet --platform: --help
push: -a --all-tags -q --quiet --platform: --help
load: -q --quiet --platform: --help
save, export: --platform: --help
update: --blkio-weight: --cpu-period: --cpu-quota: -c: --cpu-shares: --cpus: --cpuset-cpus: --cpuset-mems: -m: --memory:
    --memory-reservation: --memory-swap: --pids-limit: --restart: --help
events: -f: --filter: --format: --since: --until: --help
stats: -a --all --format: --no-stream --no-trunc --help
history: --format: -H --human --no-trunc -q --quiet --help
search: -f: --filter: --format: --limit: --no-trunc --help
info, version: -f: --format: --help
@lists: -a --all -f: --filter: --format: --no-trunc -q --quiet --help
@shows: -f: --format: --pretty -s --size -v --verbose --help
network ls, volume ls, service ls, service ps, stack ls, stack ps, stack services, node ls, node ps, config ls, secret ls,
    context ls, plugin ls, buildx ls, image ls, image list, container ls, container list, container ps: @lists -n: --last:
    -l --latest -s --size --digests --no-resolve
network inspect, volume inspect, service inspect, node inspect, config inspect, secret inspect, context inspect,
    context show, buildx inspect, buildx du, buildx version, system df, system info, image inspect, manifest inspect: @shows
system events: -f: --filter: --format: --since: --until: --help
network create: --attachable --internal --ipv6 --label: --subnet: --gateway: --ip-range: --help
network connect: --alias: --ip: --ip6: --link: --help
network disconnect, network rm, network remove: -f --force --help
volume create: --label: --name: --help
@service: -d --detach -q --quiet --image: --force --env: -e: --env-add: --env-rm: --label: --label-add: --label-rm:
    --limit-cpu: --limit-memory: --mount: --mount-add: --mount-rm: --name: --network: --network-add: --network-rm:
    --no-healthcheck -p: --publish: --publish-add: --publish-rm: --replicas: --reserve-cpu: --reserve-memory:
    --restart-condition: --rollback --stop-grace-period: --stop-signal: --update-delay: --update-order:
    --update-parallelism: -w: --workdir: --args: --entrypoint: --health-cmd: --no-resolve-image
service logs: --details -f --follow --no-resolve --no-task-ids --no-trunc --raw --since: -n: --tail: -t --timestamps
service scale, service rollback: -d --detach -q --quiet
service update: @service
service create: @service <passes>
`)

export const COMPOSE_FORMS = readForms(`
up: --abort-on-container-exit --abort-on-container-failure --always-recreate-deps --attach: --attach-dependencies --build
    -d --detach --dry-run --exit-code-from: --force-recreate --no-attach: --no-build --no-color --no-deps --no-log-prefix
    --no-recreate --no-start --pull: --quiet-build --quiet-pull --remove-orphans --scale: -t: --timeout: --timestamps
    --wait --wait-timeout: -y --yes --help
down: --dry-run --remove-orphans -t: --timeout: --help
run: --build -d --detach --dry-run --entrypoint: -e: --env: -i --interactive -l: --label: --name: -T --no-TTY --no-deps -p:
    --publish: --pull: -q --quiet --quiet-build --quiet-pull --remove-orphans --rm -P --service-ports -t --tty
    --use-aliases -u: --user: -v: --volume: -w: --workdir: --help <passes>
exec: -d --detach --dry-run -e: --env: --index: -T --no-TTY --no-tty -i --interactive -t --tty -w: --workdir: --help
    <passes>
logs: --dry-run -f --follow --index: --no-color --no-log-prefix --since: -n: --tail: -t --timestamps --until: --help
ps: -a --all --dry-run --filter: --format: --no-trunc --orphans -q --quiet --services --status: --help
build: --build-arg: --dry-run -m: --memory: --no-cache --progress: --pull --push -q --quiet --with-dependencies --force-rm
    --no-rm --parallel --compress --check --help
config, convert: --dry-run --environment --format: --hash: --images --models --networks --no-consistency --no-env-resolution
    --no-interpolate --no-normalize --no-path-resolution --profiles -q --quiet --resolve-image-digests --services
    --variables --volumes --help
images, ls, version, volumes, port, top, events: --dry-run -a --all -f: --filter: --format: -q --quiet --short --index:
    --protocol: --json --since: --until: --help
pull, push: --dry-run --ignore-buildable --ignore-pull-failures --ignore-push-failures --include-deps --policy:
    --no-parallel --parallel -q --quiet --help
rm: --dry-run -f --force -s --stop --help
stop, restart: --dry-run --no-deps -t: --timeout: --help
kill: --dry-run --remove-orphans -s: --signal: --help
create: --build --dry-run --force-recreate --no-build --no-recreate --pull: --quiet-pull --remove-orphans --scale: -y
    --yes --help
start, scale, pause, unpause: --dry-run --no-deps --wait --wait-timeout: --help
wait: --dry-run --help
stats: -a --all --dry-run --format: --no-stream --no-trunc --help
attach: --detach-keys: --dry-run --index: --no-stdin --sig-proxy --help
help: --help
`)

export const SYSTEMCTL_FORM = readForms(`
systemctl: -a --all -l --full -q --quiet -r --recursive --no-pager --no-legend --no-block --no-ask-password --wait --failed
    --value --plain --reverse --after --before --show-types --system --user --version -h --help --now --no-wall
    --with-dependencies -t: --type: --state: -p: --property: -P: -n: --lines: -o: --output: --job-mode: --timestamp:
    --legend:
`).get('systemctl')!
