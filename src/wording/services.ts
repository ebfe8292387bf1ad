/** The services: Docker Compose, and whether they answer. */
import type { ServicesFailure } from '../failure.ts'
import { printDuration } from '../steps/duration.ts'
import { listed, tail, type Words } from './phrases.ts'

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
    message: `${failure.port === null ? 'a port' : `port ${failure.port}`} that the stack in ${failure.dir} wants is taken: ${failure.detail}`,
    hint: `on the target: ${failure.port === null ? 'docker ps, and ss -ltnp' : `docker ps --filter publish=${failure.port}, or ss -ltnp 'sport = :${failure.port}'`}   shows who has it`,
  }),
  'disk-full': failure => ({
    message: `no space left on the target: ${failure.detail}`,
    hint: 'on the target: docker system df, and df -h; then make room (docker builder prune frees build cache)',
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
    message: `the stack in ${failure.dir} is project ${failure.now} now and was ${failure.before}: it would run a second time beside the old one`,
    hint: `give compose.up project: ${failure.before}, or stop the old one first: docker compose -p ${failure.before} down`,
  }),
  'not-stable': failure => ({
    message: `${failure.services.join(', ')}: ${failure.detail}${failure.cause ? `: ${failure.cause}` : tail(failure.tail)}`,
  }),
  'rollback-set-missing': failure => ({
    message: `the way back is not complete: ${failure.what.join(', ')} is missing`,
  }),
  'images-differ': failure => ({ message: `not the recorded image: ${failure.services.join(', ')}` }),
  unhealthy: failure => ({
    message: `not healthy within ${printDuration(failure.timeoutMs)}: ${failure.probes.map(p => `${p.url} (${p.last})`).join(', ')}`,
  }),
}
