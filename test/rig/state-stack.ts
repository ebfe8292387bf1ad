/** A stack that migrates its state, in a folder and in a volume, and then refuses to start an older version, as OpenClaw does. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gitIn } from './crash-service.ts'
import { makeBaseImage, removeHolders } from './docker.ts'
import { poll } from './hostops.ts'

/** `bad`: it migrates its state and breaks down. */
const RELEASES = { v1: 1, v2: 2, bad: 2 } as const
export type StateStack = ReturnType<typeof stateStack>

/** On v1, running. */
export function stateStack() {
  makeBaseImage()
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-state-')))
  const project = folder.split('/').at(-1)!.toLowerCase()
  const [dir, state, name] = [join(folder, 'app'), join(folder, 'state'), `${project}-gateway-1`]
  const docker = (...args: string[]) =>
    execFileSync('docker', args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  mkdirSync(dir)
  mkdirSync(state)
  const git = gitIn(dir, folder)
  git('init', '-q', '-b', 'main')
  for (const [tag, format] of Object.entries(RELEASES)) {
    const files = {
      'run.sh': program(format, tag === 'bad'),
      Dockerfile: `FROM hostops-base:1\nLABEL of=${project}\nCOPY run.sh /run.sh\nCMD ["sh", "/run.sh"]\n`,
      'compose.yaml': compose(state),
      'package.json': JSON.stringify({ name: 'app', openclaw: { schemaVersions: { state: format } } }),
    }
    for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text)
    git('add', '-A')
    git('commit', '-qm', tag)
    git('tag', tag)
  }
  git('checkout', '-q', '--detach', 'v1')
  writeFileSync(join(state, 'notes'), 'of v1\n')
  docker('compose', '-p', project, '--progress', 'quiet', 'up', '-d', '--build')
  const volume = `${project}_data`
  const data = docker('volume', 'inspect', '--format', '{{.Mountpoint}}', volume)

  const stack = {
    ...{ folder, dir, project, state, volume, data, name, docker, git },
    head: () => git('describe', '--tags'),
    status: () => docker('inspect', '--format', '{{.State.Status}}', name),
    logs: () => spawnSync('docker', ['logs', name], { encoding: 'utf8' }).stderr,
    read: (place: string, file: string) =>
      existsSync(join(place, file)) ? readFileSync(join(place, file), 'utf8').trim() : null,
    /** What the service has written last, so that it is seen to run on it. */
    beats: (place: string) => readFileSync(join(place, 'beat'), 'utf8').length,
    /** Waits until v1 has its state back and writes it. */
    async runsOnV1() {
      await poll(() => stack.status() === 'running')
      for (const place of [state, data]) {
        const before = stack.beats(place)
        await poll(() => stack.beats(place) > before)
        if (stack.read(place, 'format') !== '1') throw new Error(`${place} is not the state of v1`)
      }
    },
    async backToV1(runId: string) {
      // A paused container cannot be removed, and one is left by a test that failed in the middle.
      spawnSync('docker', ['unpause', name], { stdio: 'ignore' })
      git('checkout', '-q', '--detach', 'v1')
      docker('compose', '-p', project, '--progress', 'quiet', 'down', '-t', '0')
      for (const place of [state, data]) {
        writeFileSync(join(place, 'format'), '1')
        rmSync(join(place, 'notes.migrated'), { force: true })
        rmSync(`${place}.failed-${runId}`, { recursive: true, force: true })
      }
      writeFileSync(join(state, 'notes'), 'of v1\n')
      docker('compose', '-p', project, '--progress', 'quiet', 'up', '-d', '--build')
      await stack.runsOnV1()
    },
    remove() {
      spawnSync('docker', ['unpause', name], { stdio: 'ignore' })
      spawnSync('docker', ['compose', '-p', project, 'down', '-t', '0', '-v'], { cwd: dir })
      removeHolders(`label=hostops.project=${project}`)
      const asked = ['image', 'ls', '-q', '--no-trunc', '--filter', `label=of=${project}`]
      const ids = spawnSync('docker', asked, { encoding: 'utf8' }).stdout.split('\n').filter(Boolean)
      if (ids.length > 0) spawnSync('docker', ['rmi', '-f', ...new Set(ids)])
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  return stack
}

const compose = (state: string) => `services:
  gateway:
    build: { context: ., network: none }
    network_mode: none
    init: true
    restart: unless-stopped
    stop_grace_period: 1s
    volumes: ["${state}:/state", "data:/data"]
volumes: { data: {} }
`

const program = (format: number, isBad: boolean) => `#!/bin/sh
for place in /state /data; do
  was=$(cat $place/format 2>/dev/null || echo 1)
  [ "$was" -le ${format} ] || { echo "this version is older than the config last written by format $was" >&2; exit 3; }
  [ "$was" = ${format} ] || mv $place/notes $place/notes.migrated 2>/dev/null
  echo ${format} >$place/format
done
${isBad ? 'sleep 0.3; echo "panic: out of cards" >&2; exit 7' : ''}
while :; do for place in /state /data; do printf . >>$place/beat; done; sleep 0.02; done
`
