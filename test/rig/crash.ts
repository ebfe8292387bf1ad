/** A small real upgrade that can be killed anywhere: git, a ledger of every write, a service in a process of its own. */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Event } from '../../src/engine/events.ts'
import { parseJournal } from '../../src/engine/recover.ts'
import { type HostopsRig, hostopsRig, poll } from './hostops.ts'
import { freePort, VERSIONS } from './service.ts'

const DIE = fileURLToPath(new URL('./die.mjs', import.meta.url))

export type Version = 'v2' | 'v3' | 'v4'
export type CrashWorld = Awaited<ReturnType<typeof crashWorld>>

/** Repositories take longest: made once, copied for each world. */
export function crashBase() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-crash-')))
  const app = join(folder, 'app')
  const git = gitIn(app, folder)
  execFileSync('git', ['init', '-q', '-b', 'main', app])
  for (const [tag, behaviour] of Object.entries(VERSIONS)) {
    writeFileSync(join(app, 'service.mjs'), serviceText(tag, behaviour))
    git('add', '.')
    git('commit', '-q', '-m', tag)
    git('tag', tag)
  }
  git('checkout', '-q', '--detach', 'v1')
  return { app, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

export async function crashWorld(base: string, env: NodeJS.ProcessEnv = {}, target = 'local') {
  const rig = hostopsRig()
  const checkout = rig.path('app')
  cpSync(base, checkout, { recursive: true })
  const git = gitIn(checkout, rig.folder)
  const port = await freePort()
  const baseUrl = `http://127.0.0.1:${port}`
  const ledgerFile = rig.write('ledger', '')
  const restart = writeRestart(rig, port)
  const append = (word: string) => ['sh', '-c', `echo ${word} >> '${ledgerFile}'`]
  const playbook = rig.playbook(
    'upgrade',
    [
      { id: 'checkout', uses: 'git.checkout', with: { repo: checkout, ref: '${{ inputs.ref }}' } },
      { id: 'migrate', run: append('migrate'), undo: append('unmigrate') },
      { id: 'restart', run: [restart, 'restart'], effect: 'disrupt', reactivate: [restart, 'again'] },
      {
        id: 'health',
        uses: 'health.poll',
        with: {
          urls: [`${baseUrl}/healthz`, `${baseUrl}/readyz`],
          interval: '100ms',
          timeout: '${{ inputs.patience }}',
          successes: 1,
        },
      },
    ],
    { inputs: { ref: { type: 'ref' }, patience: { type: 'duration', default: '20s' } } },
  )
  execFileSync(restart, ['first'])
  const says = async () => {
    try {
      return (await (await fetch(baseUrl)).text()).trim()
    } catch {
      return null
    }
  }
  const ledger = () => readFileSync(ledgerFile, 'utf8').split('\n').filter(Boolean)
  const count = (word: string) => ledger().filter(line => line === word).length
  const more = (die = '', clock = '') => ({
    env: { ...env, HOSTOPS_DIE: die, HOSTOPS_CLOCK: clock },
    ...(die || clock ? { node: ['--import', DIE] } : {}),
  })
  const journalFile = join(rig.state, 'runs', 'r', 'journal.ndjson')
  return {
    rig,
    checkout,
    journalFile,
    /** Starts the upgrade as run `r`; a version that cannot get healthy is not waited for long. */
    start(ref: Version, die = '', clock = '') {
      const patience = ref === 'v2' ? [] : ['-i', 'patience=600ms']
      const args = ['run', playbook, '-i', `ref=${ref}`, ...patience, '--target', target, '--run-id', 'r']
      return rig.start(args, more(die, clock))
    },
    upgrade(ref: Version, die = '', clock = '') {
      return this.start(ref, die, clock).ended
    },
    hostops: (args: readonly string[], die = '', clock = '') => rig.run(args, more(die, clock)),
    startHostops: (args: readonly string[], die = '', clock = '') => rig.start(args, more(die, clock)),
    events: (): Event[] =>
      existsSync(journalFile) ? parseJournal(readFileSync(journalFile, 'utf8'), 1).events : [],
    says,
    head: () => git('describe', '--tags', 'HEAD'),
    ledger,
    count,
    /** Commands outlive a runner that is killed: until they have ended, nothing can be said about the host. */
    quiet: () =>
      poll(() => count('restart') === count('restarted') && !existsSync(join(checkout, '.git/index.lock'))),
    async remove() {
      await poll(() => count('restart') <= count('restarted'))
      try {
        process.kill(Number(readFileSync(rig.path('service.pid'), 'utf8')), 'SIGKILL')
      } catch {
        // It has crashed, as it should.
      }
      await rig.remove()
    },
  }
}

const gitIn =
  (repo: string, home: string) =>
  (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.invalid', ...args], {
      cwd: repo,
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: home, GIT_CONFIG_NOSYSTEM: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()

const serviceText = (tag: string, behaviour: string) => `import { createServer } from 'node:http'
${behaviour === 'crashes' ? 'process.exit(1)' : ''}
createServer((request, response) => {
  if (request.url === '/readyz' && ${behaviour === 'never-ready'}) response.statusCode = 503
  response.end('${tag}\\n')
}).listen(Number(process.env.PORT), '127.0.0.1')
`

/** Ends the old process, waits until it is gone, starts the one of the checkout; notes its beginning and its end. */
function writeRestart(rig: HostopsRig, port: number): string {
  const file = rig.write(
    'restart',
    `#!/bin/sh
cd '${rig.folder}'
echo "$1" >> ledger
if [ -f service.pid ]; then
  kill -9 "$(cat service.pid)" 2>/dev/null
  while kill -0 "$(cat service.pid)" 2>/dev/null && ! grep -q ' Z ' "/proc/$(cat service.pid)/stat"; do sleep 0.02; done
fi
PORT=${port} setsid '${process.execPath}' app/service.mjs </dev/null >/dev/null 2>&1 &
echo $! > service.pid
[ "$1" = restart ] && echo restarted >> ledger
exit 0
`,
  )
  execFileSync('chmod', ['755', file])
  return file
}
