/** A stack of ready-made images in a git checkout, started by hand as its owner would: what differs is in the files. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { makeBaseImage, removeHolders } from './docker.ts'

export type Files = Readonly<Record<string, string | null>>
export type PlainStack = ReturnType<typeof makePlainStack>

/** A service that runs until it is stopped, at once. */
export const STANDS = 'image: "hostops-base:1", command: [sleep, "1000"], stop_grace_period: 0s'
export const FALLS = `image: "hostops-base:1", command: [sh, -c, "echo no cards >&2; exit 3"], restart: always`

/** `files` are tracked and tagged v1; `ignored` lie beside them. */
export function makePlainStack(files: Files, ignored: Readonly<Record<string, string>> = {}) {
  makeBaseImage()
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-stack-')))
  const project = folder.split('/').at(-1)!.toLowerCase()
  const upstream = join(folder, 'upstream')
  const dir = join(folder, project)
  const run = (cwd: string, program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  const git = (cwd: string, ...args: string[]) =>
    run(
      cwd,
      'git',
      '-c',
      'user.name=x',
      '-c',
      'user.email=x@y.invalid',
      '-c',
      'advice.detachedHead=false',
      ...args,
    )
  const put = (base: string, all: Files) => {
    for (const [name, text] of Object.entries(all)) {
      const path = join(base, name)
      mkdirSync(dirname(path), { recursive: true })
      if (text === null) rmSync(path)
      else writeFileSync(path, text)
    }
  }
  const docker = (...args: string[]) => run(dir, 'docker', ...args)
  const stack = {
    folder,
    dir,
    project,
    docker,
    /** The version of the checkout with these files changed (null: gone), as a tag upstream. */
    release(tag: string, changes: Files) {
      put(upstream, changes)
      git(upstream, 'add', '-A')
      git(upstream, 'commit', '-q', '--allow-empty', '-m', tag)
      git(upstream, 'tag', tag)
    },
    /** Beside the tracked files. */
    put: (all: Files) => put(dir, all),
    read: (name: string) => readFileSync(join(dir, name), 'utf8'),
    compose: (...args: string[]) => docker('compose', '--progress', 'quiet', ...args),
    head: () => git(dir, 'describe', '--tags', '--exact-match'),
    id: (service: string) => docker('inspect', '--format', '{{.Id}}', `${project}-${service}-1`),
    inspect: (service: string, format: string) =>
      docker('inspect', '--format', format, `${project}-${service}-1`),
    mounts: (service: string) =>
      stack.inspect(service, '{{range .Mounts}}{{.Destination}} {{end}}').split(' ').filter(Boolean).sort(),
    env: (service: string) => JSON.parse(stack.inspect(service, '{{json .Config.Env}}')) as string[],
    /** Name and state of every container. */
    states: () =>
      docker(
        ...['ps', '-a', '--format', '{{.Names}} {{.State}}'],
        ...['--filter', `label=com.docker.compose.project=${project}`],
      )
        .split('\n')
        .filter(Boolean)
        .map(line => line.slice(project.length + 1))
        .sort(),
    networks: () =>
      docker(
        'network',
        'ls',
        '--format',
        '{{.Name}}',
        '--filter',
        `label=com.docker.compose.project=${project}`,
      )
        .split('\n')
        .filter(Boolean),
    remove() {
      const quietly = (...args: string[]) => spawnSync('docker', args, { cwd: folder })
      const listed = (what: string, ...more: string[]) =>
        spawnSync('docker', [what, ...more, '--filter', `label=com.docker.compose.project=${project}`], {
          encoding: 'utf8',
        })
          .stdout.split('\n')
          .filter(Boolean)
      for (const id of listed('ps', '-aq')) quietly('rm', '-f', id)
      removeHolders(`name=hostops-holder-${project}`)
      for (const id of listed('network', 'ls', '-q')) quietly('network', 'rm', id)
      for (const id of listed('volume', 'ls', '-q')) quietly('volume', 'rm', id)
      const names = spawnSync('docker', ['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}'], {
        encoding: 'utf8',
      }).stdout.split('\n')
      const ours = names.filter(
        name => /^hostops\/(rollback|failed)\//.test(name) && name.includes(`/${project}-`),
      )
      if (ours.length > 0) quietly('rmi', '-f', ...ours)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  mkdirSync(upstream)
  git(upstream, 'init', '-q', '-b', 'main')
  stack.release('v1', { '.gitignore': ['.env', ...Object.keys(ignored), ''].join('\n'), ...files })
  git(folder, 'clone', '-q', upstream, dir)
  git(dir, 'checkout', '-q', 'v1')
  put(dir, ignored)
  return stack
}
