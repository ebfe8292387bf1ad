/** A real Compose stack whose upgrade can be killed anywhere: every write of it, and every container made, is counted. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Event } from '../../src/engine/events.ts'
import { readEvents } from '../../src/runs/read-journal.ts'
import type { Where } from './crash.ts'
import type { Mortal } from './crash-death.ts'
import { noteInLedger } from './crash-service.ts'
import { makeStack } from './docker.ts'
import { dyingHostops } from './dying-hostops.ts'
import { hostRig } from './host.ts'
import { hostopsRig, poll } from './hostops.ts'
import { removeLockOf } from './lock-file.ts'
import { numberedEntries } from './numbered-entries.ts'
import { workingOn } from './processes.ts'

export type StackVersion = 'v2' | 'v4-unhealthy' | 'v5-crashloop'
export type CrashStack = Awaited<ReturnType<typeof crashStack>>
export type StackRun = ReturnType<CrashStack['run']>

export async function crashStack() {
  const rig = hostopsRig()
  const stack = await makeStack()
  const dying = dyingHostops(rig)
  const host = await hostRig(rig, { config: { hostops_command: dying.program } })
  const ledgerFile = rig.write('ledger', '')
  const created = countCreated(stack.project)
  const playbook = rig.playbook(
    'upgrade',
    [
      { id: 'checkout', uses: 'git.checkout', with: { repo: stack.dir, ref: '${{ inputs.ref }}' } },
      {
        id: 'migrate',
        run: noteInLedger(rig.folder, 'migrate'),
        undo: noteInLedger(rig.folder, 'unmigrate'),
        verify: ['grep', '-q', 'unmigrate', ledgerFile],
      },
      { id: 'build', uses: 'compose.build' },
      { id: 'up', uses: 'compose.up', with: { watch: '1s' } },
      {
        id: 'health',
        uses: 'health.poll',
        with: {
          urls: [`${stack.url}/readyz`],
          interval: '100ms',
          timeout: '${{ inputs.patience }}',
          successes: 1,
        },
      },
    ],
    {
      defaults: { dir: stack.dir, services: ['gateway'] },
      inputs: { ref: { type: 'ref' }, patience: { type: 'duration', default: '20s' } },
    },
  )
  let runs = 0

  /** The next run, of a stack that is on v1. */
  const run = (where: Where) => {
    const id = `r${++runs}`
    const state = where === 'on-host' ? host.state : rig.state
    const runFolder = join(state, 'runs', id)
    const containersBefore = created.count()
    const linesBefore = ledgerLines(ledgerFile).length
    const there = (die = '') => {
      const { env, ...more } = dying.here(die)
      return { env: { ...env, HOSTOPS_STATE_DIR: state }, ...more }
    }
    const mortal: Mortal<StackVersion> = {
      where,
      host,
      folder: rig.folder,
      runFolder,
      stoppedFile: dying.stoppedFile,
      start(ref, die = '') {
        const patience = ref === 'v2' ? [] : ['-i', 'patience=3s']
        const args = ['run', playbook, '-i', `ref=${ref}`, ...patience, '--run-id', id]
        if (where !== 'on-host') return rig.start(args, there(die))
        dying.there(die)
        return rig.start([...args, '--on-host', '--target', 'hostlink'], { env: host.env })
      },
      isOver: () => existsSync(join(runFolder, 'report.json')),
      calm: dying.calm,
      boot: async () => {
        throw new Error('the engine of this machine is everybody’s')
      },
    }
    return {
      ...mortal,
      id,
      stack,
      hostops: (...args: string[]) => rig.run(args, there()),
      ask: (verb: string) =>
        where === 'on-host'
          ? rig.run([verb, id, '--target', 'hostlink'], { env: host.env })
          : rig.run([verb, id], there()),
      events: (): Event[] => readEvents(runFolder),
      numbered: (): Event[] => numberedEntries(runFolder),
      history: () => ledgerLines(ledgerFile).slice(linesBefore),
      count: (word: string) =>
        ledgerLines(ledgerFile)
          .slice(linesBefore)
          .filter(line => line.startsWith(`${word} `)).length,
      /** How many containers were made for the stack since the run began. */
      created: () => created.count() - containersBefore,
      quiet: () =>
        poll(() =>
          [rig.folder, stack.dir].flatMap(workingOn).every(pid => pid === host.pid() || pid === created.pid),
        ),
    }
  }

  return {
    stack,
    run,
    async backToV1() {
      removeLockOf(stack.dir)
      if (stack.head() !== 'v1') stack.deploy('v1')
      await stack.answers()
    },
    async remove() {
      created.stop()
      await host.stop()
      stack.remove()
      await rig.remove()
    },
  }
}

const ledgerLines = (file: string) => readFileSync(file, 'utf8').split('\n').filter(Boolean)

/** What the engine itself says. */
function countCreated(project: string) {
  const filters = ['type=container', 'event=create', `label=com.docker.compose.project=${project}`]
  const child = spawn(
    'docker',
    ['events', ...filters.flatMap(each => ['--filter', each]), '--format', '{{.ID}}'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  let text = ''
  child.stdout.on('data', chunk => {
    text += chunk
  })
  return {
    pid: child.pid!,
    count: () => text.split('\n').length - 1,
    stop: () => child.kill('SIGKILL'),
  }
}
