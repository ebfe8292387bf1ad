/** The services: Docker Compose, and whether they answer. */

import { printDuration } from '../duration.ts'
import type {
  EnvFileProblem,
  FilesProblem,
  ImageSource,
  PullProblem,
  ServicesFailure,
  StackDifference,
} from '../failure.ts'
import { listed, tail, type Words } from './phrases.ts'

function differenceInWords({ what, runs, named }: StackDifference): string {
  switch (what) {
    case 'gone':
      return `its containers were made from ${runs.join(', ')}, which is gone`
    case 'project':
      return named.length > 0
        ? `its containers are of project ${runs.join(', ')}, not ${named.join(', ')}`
        : `its containers are of several projects: ${runs.join(', ')}`
    case 'folder':
      return `the project of that name runs from ${runs.join(', ')}`
    case 'files':
    case 'env files':
      return named.length > 0
        ? `its containers were made from ${what} ${runs.join(', ')}, the playbook names ${named.join(', ')}`
        : `its containers were made from different ${what} (${runs.join('; ')})`
  }
}

function wayOutOf({ what, runs }: StackDifference): string {
  switch (what) {
    case 'gone':
      return 'put the file back, or start the stack once by hand from the files that it is to have: docker compose -f FILE up -d'
    case 'project':
      return `name the project that is meant: project: ${runs[0] ?? ''}`
    case 'folder':
      return 'give the folder that it runs from, or another project name (project:)'
    case 'files':
    case 'env files':
      return `leave ${what === 'files' ? 'files:' : 'envFiles:'} out of the playbook to use what runs, or set adopt: true there to change it`
  }
}

export const SERVICES: Words<ServicesFailure> = {
  'compose-failed': failure => ({
    message: `docker compose ${failure.verb} in ${failure.dir} ended with exit code ${failure.exitCode}${failure.cause ? `: ${failure.cause}` : tail(failure.tail)}`,
  }),
  'compose-file-missing': failure => ({
    message: `no compose file in ${failure.dir}: ${failure.detail}`,
    hint: 'composePath (dir:) is the folder that holds compose.yaml, as the target sees it; other names go under files:',
  }),
  'compose-file-invalid': failure => ({
    message: `the compose file in ${failure.dir} is wrong: ${failure.detail}`,
    hint: `on the target: docker compose --project-directory ${failure.dir} config`,
  }),
  'service-unknown': failure => ({
    message: `no service ${failure.services.join(', ')} in ${failure.dir}`,
    hint:
      failure.known.length > 0
        ? `the services there are: ${listed(failure.known, failure.known.length)}`
        : `on the target: docker compose --project-directory ${failure.dir} config --services`,
  }),
  'port-taken': failure => ({
    message: `${failure.port === null ? `a port that the stack in ${failure.dir} publishes` : `port ${failure.port}`} is already in use on the target`,
    hint: `on the target: ${failure.port === null ? 'docker ps, and ss -ltnp' : `docker ps --filter publish=${failure.port}, or ss -ltnp 'sport = :${failure.port}'`}   shows who has it`,
  }),
  'disk-full': failure => ({
    message: `no space left on the target: ${failure.detail}`,
    hint: 'on the target: df -h; then make room (docker system df shows what Docker takes, docker builder prune frees build cache)',
  }),
  'compose-plugin-missing': failure => ({
    message: `docker compose is not there: ${failure.detail}`,
    hint: 'install Compose v2 on the target (package docker-compose-plugin or docker-compose-v2)',
  }),
  'engine-down': failure => ({
    message: `the Docker engine does not answer: ${failure.detail}`,
    hint: 'on the target: systemctl status docker',
  }),
  'engine-denied': failure => ({
    message: `the Docker engine refuses this user: ${failure.detail}`,
    hint: 'on the target: sudo usermod -aG docker USER, and log in again; or run as root (id shows who this is)',
  }),
  'project-renamed': failure => ({
    message: `the stack in ${failure.dir} is project ${failure.now} in this version and was ${failure.before} before, and no container says which one is meant`,
    hint: `name it in the playbook: project: ${failure.now}`,
  }),
  'stack-differs': ({ dir, differences }) => ({
    message: `the stack in ${dir} is not what the playbook names: ${differences.map(differenceInWords).join('; ')}`,
    hint: wayOutOf(differences[0]!),
  }),
  'would-lose': ({ dir, losses }) => ({
    message: `${listed(
      losses.map(({ service, what }) => `${service} would lose ${what}`),
      5,
    )}: its container has it, the files in ${dir} do not`,
    hint: 'put it back into the compose files; if it is meant to go, replace the container once by hand: on the target, docker compose up -d',
  }),
  'cannot-run-twice': ({ services }) => ({
    message: `cannot run twice, the new beside the old: ${listed(
      services.map(({ service, why }) => `${service} ${why}`),
      5,
    )}`,
    hint: 'use compose.up, which replaces it in its place; or leave the port to a proxy and take it out of the compose file',
  }),
  'powers-added': ({ dir, ref, powers }) => ({
    message: `${ref} would give the stack in ${dir} more power: ${listed(
      powers.map(({ words }) => words),
      powers.length,
    )}`,
    hint: `if it is meant, allow it: allowPowers=${powers.map(({ key }) => key).join(',')} (compose.guard allow:)`,
  }),
  'state-differs': ({ services }) => ({
    message: services
      .map(
        ({ name, up, now }) =>
          `${name}: ${now === 1 ? '1 container' : `${now} containers`} up, ${up} before the run`,
      )
      .join('; '),
  }),
  'config-differs': ({ services }) => ({
    message: `not the recorded configuration: ${services.join(', ')}`,
    hint: 'on the target: docker inspect shows what each container was made with',
  }),
  'not-stable': failure => ({
    message: `${failure.services.join(', ')}: ${failure.detail}${polled(failure.probes)}${failure.cause ? `: ${failure.cause}` : tail(failure.tail)}`,
  }),
  'nothing-to-build': failure => ({
    message:
      failure.file === undefined
        ? `nothing to build in ${failure.dir}: no build: in ${services(failure.services)}`
        : `nothing to build: ${failure.file} does not exist`,
    hint: INSTEAD[failure.instead],
  }),
  'image-unused': failure => ({
    message: `no service in ${failure.dir} would use ${failure.image}${failure.variable === undefined ? '' : `, set as ${failure.variable}`}: ${services(failure.services)}`,
    hint:
      failure.instead === null
        ? `in the compose file: image: \${${failure.variable ?? 'IMAGE'}:-${failure.image}}`
        : INSTEAD[failure.instead],
  }),
  'image-of-registry': failure => ({
    message: `the stack in ${failure.dir} takes its image from a registry: ${failure.image}`,
    hint: `${INSTEAD.registry}; to build under that name all the same, give image.build tag: ${failure.image}`,
  }),
  'not-built': failure => ({
    message: `this run built other services in ${failure.dir} but not ${failure.services.join(', ')}, which would start from an old image`,
    hint: `give compose.build services: [${failure.services.join(', ')}]`,
  }),
  'nothing-to-pull': failure => ({
    message: `nothing to pull in ${failure.dir}: ${services(failure.services)}`,
    hint: INSTEAD[failure.instead],
  }),
  'pull-failed': failure => ({
    message: `cannot pull ${failure.image}: ${PULL[failure.why]}${failure.detail === '' ? '' : `: ${failure.detail}`}`,
    hint: `on the target: docker pull ${failure.image}${failure.why === 'denied' ? ' (after docker login, as the user that runs the steps)' : ''}`,
  }),
  'env-file-unusable': failure => ({
    message: `cannot change ${failure.path}: ${ENV_FILE[failure.why]}`,
    ...(failure.why === 'no-shell' ? {} : { hint: `on the target: ls -l ${failure.path}` }),
  }),
  'env-keys-differ': failure => ({
    message: `${failure.keys.join(', ')} in ${failure.path}: changed by somebody else since, and left as found`,
  }),
  'files-unusable': ({ path, why, detail }) => ({
    message: `${path}: ${FILES[why]}${detail === '' ? '' : ` (${detail})`}`,
    ...(why === 'volume' || why === 'no-shell' ? {} : { hint: `on the target: namei -l ${path}` }),
  }),
  'files-changed': ({ path }) => ({
    message: `${path} changed while it was copied, or cannot be copied as it is`,
    hint: `stop what writes there first; on the target: fuser -v ${path}`,
  }),
  'rollback-set-missing': (failure, at) => ({
    message: `the way back is not complete: ${failure.what.join(', ')} is missing`,
    ...(failure.runId === undefined
      ? {}
      : { hint: goOn(failure.runId, at, 'goes on without it, and reports what is not as before') }),
  }),
  'pin-lost': ({ pins, rebuilt, runId }, at) =>
    rebuilt.length > 0
      ? {
          message: `the old version of ${rebuilt.join(', ')} runs again, but was rebuilt from the old commit: it is not the image that ran before, which is gone (${pins.join(', ')})`,
          hint: 'check that it works as before: what it was built from may have changed since',
        }
      : {
          message: `a kept image is gone: ${pins.join(', ')}`,
          ...(runId === undefined
            ? {}
            : { hint: goOn(runId, at, 'builds it again from the old commit, which may give another image') }),
        },
  'images-differ': failure => ({ message: `not the recorded image: ${failure.services.join(', ')}` }),
  unhealthy: failure => ({
    message: `not healthy within ${printDuration(failure.timeoutMs)}: ${failure.probes.map(p => `${p.url} (${p.last})`).join(', ')}${failure.silent === undefined ? '' : '; nothing answered there before the run either'}`,
    ...(failure.silent === undefined
      ? {}
      : { hint: 'check the URL: it has to answer on the target while a good version runs' }),
  }),
}

/** What the URLs said meanwhile, where that was bad. */
const polled = (probes: readonly { url: string; ok: boolean; last: string }[] = []) =>
  probes.flatMap(({ url, ok, last }) => (ok ? [] : [`; ${url} (${last})`])).join('')

const services = (all: readonly { service: string; image: string | null }[]) =>
  all.map(({ service, image }) => (image === null ? service : `${service} (image: ${image})`)).join(', ')

const INSTEAD: Record<ImageSource, string> = {
  compose: 'compose builds this image: use imageFrom=compose (step compose.build)',
  dockerfile: 'a plain docker build makes this image: use imageFrom=dockerfile (step image.build)',
  registry:
    'a registry has this image: use imageFrom=registry with image=NAME:TAG (steps env.set and compose.pull)',
}

const PULL: Record<PullProblem, string> = {
  'not-found': 'the registry does not have it',
  denied: 'the registry refuses access, or does not have it',
  'no-network': 'the registry cannot be reached',
  other: 'docker pull failed',
}

const ENV_FILE: Record<EnvFileProblem, string> = {
  missing: 'the file does not exist',
  symlink: 'it is a symbolic link; name the file that it points to',
  'hard-link': 'it has more than one hard link, which replacing it would break',
  'not-a-file': 'it is not a regular file',
  unreadable: 'it cannot be read',
  unwritable: 'it, or its folder, cannot be written with the same owner and mode',
  binary: 'it holds NUL bytes',
  'no-shell': 'the target has no POSIX shell',
}

const FILES: Record<FilesProblem, string> = {
  missing: 'the folder does not exist',
  'not-a-folder': 'it is not a folder',
  unreadable: 'it cannot be read',
  owners: 'it holds files of other users, which only root can copy and restore',
  'mount-point': 'it is a mount point or has one in it, and cannot be renamed: name a folder without mounts',
  swappable: 'somebody else could put another folder in its place',
  elsewhere: 'it leads to another folder than before',
  'too-large': 'it is too large to be copied',
  volume: 'the files of this volume cannot be reached on the target',
  private: 'no private place for its copy: .hostops-snapshots beside it belongs to somebody else',
  paused: 'what was paused for its copy could not be unpaused: docker ps --filter status=paused',
  damaged: 'its copy is not what was kept, and was not put back',
  gone: 'its copy is gone',
  'in-use': 'it is in use, and was not put back',
  tools: 'copying it needs GNU cp and find on the target',
  'no-shell': 'the target has no POSIX shell',
}
const goOn = (runId: string, at: string, does: string) => `hostops rollback ${runId}${at} --rebuild   ${does}`
