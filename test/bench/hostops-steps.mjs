// What a step costs: `run: ["/bin/true"]`, from the difference of 201 steps and 1 in whole runs, against a shell that
// does the same. Every program takes its turn in each round; what is told is the median of the rounds' differences, and
// for the journal also what its waits for the disk are of the whole run of 201 steps.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atMost, dist, main, median, startDaemon, told } from './rig.mjs'

const ROUNDS = 5
const MORE = 200
const SHARED_MEMORY = '/dev/shm'

export async function run() {
  const daemon = await startDaemon()
  const folder = mkdtempSync(join(tmpdir(), 'hostops-bench-'))
  const unsynced = inMemory()
  try {
    const write = (name, text) => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const both = make => [1, 1 + MORE].map(make)
    const scripts = both(steps => write(`${steps}.sh`, '/bin/true\n'.repeat(steps)))
    const playbooks = both(steps =>
      write(`${steps}.yaml`, `hostops: 1\nname: steps\nsteps:\n${'  - run: ["/bin/true"]\n'.repeat(steps)}`),
    )
    const hostops = (playbook, state, ...args) => ({
      argv: [process.execPath, dist('hostops'), 'run', playbook, ...args],
      env: {
        ...process.env,
        HOSTOPS_STATE_DIR: state,
        XDG_CACHE_HOME: join(folder, 'cache'),
        HOSTLINK_SOCKET: daemon.socket,
        HOSTLINK_TOKEN: daemon.token,
      },
    })
    const state = join(folder, 'state')
    const cases = {
      shell: scripts.map(script => ({ argv: ['/bin/sh', script], env: process.env })),
      local: playbooks.map(playbook => hostops(playbook, state)),
      ...(unsynced === null ? {} : { unsynced: playbooks.map(playbook => hostops(playbook, unsynced)) }),
      hostlink: playbooks.map(playbook => hostops(playbook, state, '--target', 'hostlink')),
    }
    const empty = () => Object.fromEntries(Object.keys(cases).map(name => [name, []]))
    const [perStep, perRun] = [empty(), empty()]
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [name, [one, many]] of Object.entries(cases)) {
        const less = time(one)
        const more = time(many)
        perStep[name].push((more - less) / MORE)
        perRun[name].push(more)
      }
    }
    // The first round warms what the others find warm.
    const medians = of =>
      Object.fromEntries(Object.entries(of).map(([name, all]) => [name, median(all.slice(1))]))
    const [ms, run] = [medians(perStep), medians(perRun)]
    return [
      told("a shell's fork and exec", ms.shell, 'ms'),
      told('a step, local', ms.local, 'ms'),
      atMost('a step, local', ms.local / ms.shell, 'x a shell', 4),
      told('a step, through hostlink', ms.hostlink, 'ms'),
      atMost('a step, through hostlink', ms.hostlink / ms.shell, 'x a shell', 6),
      ...(ms.unsynced === undefined
        ? []
        : [
            atMost(
              'waits of the journal for the disk',
              100 * (1 - run.unsynced / run.local),
              '% of the run',
              15,
            ),
            told('the same, without start and end', 100 * (1 - ms.unsynced / ms.local), '% of a step'),
          ]),
    ]
  } finally {
    for (const each of [folder, unsynced]) if (each !== null) rmSync(each, { recursive: true, force: true })
    await daemon.stop()
  }
}

/** A folder that no disk stands behind, so that nothing waits for one; null where there is none. */
function inMemory() {
  try {
    accessSync(SHARED_MEMORY, constants.W_OK)
    return mkdtempSync(join(SHARED_MEMORY, 'hostops-bench-'))
  } catch {
    return null
  }
}

function time({ argv: [file, ...args], env }) {
  const started = process.hrtime.bigint()
  const { status } = spawnSync(file, args, { env, stdio: 'ignore' })
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${status}`)
  return Number(process.hrtime.bigint() - started) / 1e6
}

await main(import.meta, run)
