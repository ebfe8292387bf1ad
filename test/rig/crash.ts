/**
 * A small real upgrade that can be killed anywhere: git, a ledger of every write, a service in a process of its own.
 * It runs here, through a daemon, or as a run on the host behind a daemon.
 */

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Event } from '../../src/engine/events.ts'
import { readEvents } from '../../src/runs/read-journal.ts'
import { gitIn, noteInLedger, type Version, writeRestart } from './crash-service.ts'
import { dyingHostops } from './dying-hostops.ts'
import { hostRig } from './host.ts'
import { type HostopsRig, hostopsRig, poll } from './hostops.ts'
import { forgetLockOf, removeLockOf } from './lock-file.ts'
import { numberedEntries } from './numbered-entries.ts'
import { killAllOf, workingOn } from './processes.ts'
import { freePort } from './service.ts'

export type Where = 'local' | 'hostlink' | 'on-host'
export type CrashWorld = Awaited<ReturnType<typeof crashWorld>>

export async function crashWorld(base: string, where: Where = 'local') {
  const rig = hostopsRig()
  const checkout = rig.path('app')
  cpSync(base, checkout, { recursive: true })
  const git = gitIn(checkout, rig.folder)
  const port = await freePort()
  const baseUrl = `http://127.0.0.1:${port}`
  const ledgerFile = rig.write('ledger', '')
  const restart = writeRestart(rig, port)
  const playbook = upgradePlaybook(rig, { checkout, restart, baseUrl })
  const dying = dyingHostops(rig)
  const host = where === 'local' ? null : await hostRig(rig, { config: { hostops_command: dying.program } })
  const link = host
    ? { HOSTLINK_SOCKET: host.env.HOSTLINK_SOCKET, HOSTLINK_TOKEN: host.env.HOSTLINK_TOKEN }
    : {}
  const state = where === 'on-host' ? host!.state : rig.state
  execFileSync(restart, ['first'])

  const says = async () => {
    try {
      return (await (await fetch(baseUrl)).text()).trim()
    } catch {
      return null
    }
  }
  const history = () => readFileSync(ledgerFile, 'utf8').split('\n').filter(Boolean)
  const ledger = () => history().map(line => line.split(' ')[0]!)
  /** Where the runs are, and how the program is started there. */
  const there = (die = '', clock = '') => {
    const { env, ...more } = dying.here(die, clock)
    return { env: { ...link, ...env, HOSTOPS_STATE_DIR: state }, ...more }
  }
  const runFolder = join(state, 'runs', 'r')
  const journalFile = join(runFolder, 'journal.ndjson')

  return {
    rig,
    where,
    host,
    folder: rig.folder,
    checkout,
    runFolder,
    journalFile,
    stoppedFile: dying.stoppedFile,
    /** Starts the upgrade as run `r`; a version that cannot get healthy is not waited for long. */
    start(ref: Version, die = '', clock = '') {
      const patience = ref === 'v2' ? [] : ['-i', 'patience=1500ms']
      const args = ['run', playbook, '-i', `ref=${ref}`, ...patience, '--run-id', 'r']
      if (where !== 'on-host') return rig.start([...args, '--target', where], there(die, clock))
      dying.there(die, clock)
      return rig.start([...args, '--on-host', '--target', 'hostlink'], { env: host!.env })
    },
    upgrade(ref: Version, die = '', clock = '') {
      return this.start(ref, die, clock).ended
    },
    /** Of the program that is where the runs are. */
    hostops: (args: readonly string[], die = '', clock = '') => rig.run(args, there(die, clock)),
    startHostops: (args: readonly string[], die = '', clock = '') => rig.start(args, there(die, clock)),
    /** Of a client that comes later. */
    ask: (verb: string) =>
      where === 'on-host'
        ? rig.run([verb, 'r', '--target', 'hostlink'], { env: host!.env })
        : rig.run([verb, 'r'], there()),
    events: (): Event[] => readEvents(runFolder),
    numbered: (): Event[] => numberedEntries(runFolder),
    hasBegun: () => existsSync(runFolder),
    isOver: () => existsSync(join(runFolder, 'report.json')),
    says,
    git,
    head: () => git('describe', '--tags', 'HEAD'),
    ledger,
    /** The ledger with pids and times. */
    history,
    count: (word: string) => ledger().filter(line => line === word).length,
    /** Commands outlive a runner that is killed: until they have ended, nothing can be said about the host. */
    quiet: () => poll(() => workingOn(rig.folder).every(pid => host !== null && pid === host.pid())),
    calm: dying.calm,
    /**
     * After a power cut: no process is left and nothing in folders that are in memory, somebody has looked at git's own
     * lock, and what was deployed starts again, like the daemon.
     */
    async boot(wrap: readonly string[] = []) {
      forgetLockOf(checkout)
      rmSync(join(checkout, '.git/index.lock'), { force: true })
      execFileSync(restart, ['boot'])
      if (host !== null && !host.lives()) await host.start(wrap)
    },
    async remove() {
      await killAllOf(rig.folder)
      removeLockOf(checkout)
      await rig.remove()
    },
  }
}

function upgradePlaybook(
  rig: HostopsRig,
  at: { checkout: string; restart: string; baseUrl: string },
): string {
  const { checkout, restart, baseUrl } = at
  const steps = [
    { id: 'checkout', uses: 'git.checkout', with: { repo: checkout, ref: '${{ inputs.ref }}' } },
    {
      id: 'migrate',
      run: noteInLedger(rig.folder, 'migrate'),
      undo: noteInLedger(rig.folder, 'unmigrate'),
      verify: ['grep', '-q', 'unmigrate', rig.path('ledger')],
    },
    { id: 'restart', run: [restart, 'restart'], effect: 'disrupt', reactivate: [restart, 'again'] },
    {
      id: 'health',
      uses: 'health.poll',
      with: {
        urls: [`${baseUrl}/healthz`, `${baseUrl}/readyz`],
        // Each round is two processes, and most cells wait for a version that never gets ready.
        interval: '250ms',
        timeout: '${{ inputs.patience }}',
        successes: 1,
      },
    },
  ]
  const inputs = { ref: { type: 'ref' }, patience: { type: 'duration', default: '20s' } }
  return rig.playbook('upgrade', steps, { inputs })
}
