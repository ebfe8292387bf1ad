/** A Compose stack whose image needs no registry: a static busybox, imported as the base image. */
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execaSync } from 'execa'
import type { Service } from './service.ts'

type Docker = (args: readonly string[], cwd?: string) => string

/** The service, or why there is none here. */
export function composeService(folder: string, port: number, playbooks: string): Service | string {
  const docker: Docker = (args, cwd) =>
    execaSync('docker', args, { ...(cwd === undefined ? {} : { cwd }), stdin: 'ignore', timeout: 60_000 })
      .stdout
  const answers = (...args: string[]) => {
    try {
      return docker(args) !== ''
    } catch {
      return false
    }
  }
  if (!answers('version', '--format', '{{.Server.Version}}')) return 'no Docker engine answers'
  if (!answers('compose', 'version', '--short')) return 'Docker Compose v2 is not installed'
  const busybox = staticBusybox()
  if (busybox === null)
    return 'there is no static busybox to make an image from (apt-get install busybox-static)'

  const project = folder.replace(/.*[\\/]/, '').toLowerCase()
  const base = `${project}-base:1`
  const playbook = join(playbooks, 'upgrade-openclaw.yaml')
  return {
    what: 'a Docker Compose stack',
    playbook,
    runs: impatient(folder, playbook),
    files: ({ tag, ready }) => ({
      'compose.yaml': composeText(project, port),
      Dockerfile: `FROM ${base}\nCOPY www /www\nCMD ["busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]\n`,
      'www/index.html': `this is ${tag}\n`,
      'www/healthz': 'ok\n',
      // The file is what makes it ready: without it the web server answers 404.
      ...(ready ? { 'www/readyz': 'ready\n' } : { 'www/not-ready': tag }),
    }),
    start(checkout) {
      importBase(folder, busybox, base)
      docker(['compose', 'up', '--detach', '--build', '--quiet-pull'], checkout)
    },
    inputs: (checkout, ref) => ({
      repoPath: checkout,
      ref,
      serviceName: 'web',
      gatewayBaseUrl: `http://127.0.0.1:${port}`,
      healthTimeout: '4s',
    }),
    remove() {
      const images = (name: string) =>
        docker(['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}', name]).split('\n').filter(Boolean)
      quietly(() => docker(['compose', '--project-name', project, 'down', '--volumes', '--timeout', '1']))
      const holders = docker(['ps', '-aq', '--filter', `label=hostops.project=${project}`])
      quietly(() => docker(['rm', '-f', ...holders.split('\n').filter(Boolean)]))
      for (const name of [`${project}-web`, `hostops/rollback/${project}-web`, base]) {
        quietly(() => images(name).map(image => docker(['image', 'rm', image])))
      }
      // What the upgrade to v3 built has no name any more.
      const label = `label=com.docker.compose.project=${project}`
      quietly(() => docker(['image', 'prune', '--force', '--filter', label]))
    },
  }
}

const composeText = (project: string, port: number) => `name: ${project}
services:
  web:
    build: { context: ., labels: { com.docker.compose.project: ${project} } }
    ports: ["127.0.0.1:${port}:8080"]
    stop_signal: SIGKILL
`

/** The playbook that ships, with pauses that suit somebody who watches. */
function impatient(folder: string, playbook: string): string {
  const file = join(folder, 'upgrade-openclaw.yaml')
  const text = readFileSync(playbook, 'utf8')
  const quick = text.replace('interval: 3s', 'interval: 500ms')
  writeFileSync(file, quick.replace('uses: compose.up', 'uses: compose.up\n    with: { for: 1s }'))
  return file
}

/** `docker import` needs neither a registry nor a build. */
function importBase(folder: string, busybox: string, base: string): void {
  const root = join(folder, 'base')
  mkdirSync(join(root, 'bin'), { recursive: true })
  copyFileSync(busybox, join(root, 'bin', 'busybox'))
  symlinkSync('busybox', join(root, 'bin', 'sh'))
  writeFileSync(join(root, 'bin', '.keep'), '')
  const tar = join(folder, 'base.tar')
  execaSync('tar', ['-C', root, '-cf', tar, '.'])
  execaSync('docker', ['import', '--change', 'ENV PATH=/bin', tar, base])
}

/** A dynamic one would find no libraries in its image. */
function staticBusybox(): string | null {
  for (const file of ['/bin/busybox', '/usr/bin/busybox']) {
    // It lists its own needs as shared objects, or fails because it has none.
    const { exitCode, stdout } = execaSync('ldd', [file], { reject: false })
    if (exitCode === 1 || (exitCode === 0 && /not a dynamic|statically/.test(stdout))) return file
  }
  return null
}

function quietly(work: () => void): void {
  try {
    work()
  } catch {
    // What is not there need not be taken away.
  }
}
