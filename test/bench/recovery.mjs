// What recovery and a state folder full of old runs cost: real processes, real files.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { atMost, dist, main, median, timed } from './rig.mjs'

const ROUNDS = 11
const OLD_RUNS = 1000
const DIE = fileURLToPath(new URL('../rig/die.mjs', import.meta.url))

export async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-bench-'))
  try {
    return [...(await decision(folder)), ...(await oldRuns(folder))]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A whole `resume` of a run with 200 steps behind it, up to its report: the decision is a part of that. */
async function decision(folder) {
  const playbook = join(folder, 'long.yaml')
  writeFileSync(playbook, `hostops: 1\nname: long\nsteps:\n${'  - run: [/bin/true]\n'.repeat(201)}`)
  const state = join(folder, 'dead')
  hostops(state, ['run', playbook, '--run-id', 'r'], { node: ['--import', DIE], die: 'after:608' })
  const took = []
  for (let round = 0; round < ROUNDS; round++) {
    const copy = join(folder, `dead-${round}`)
    cpSync(state, copy, { recursive: true })
    const args = ['resume', 'r', '--assume', 'done']
    took.push(await timed(() => hostops(copy, args)))
  }
  return [atMost('resume of a run of 201 steps, to its report', median(took), 'ms', 1000)]
}

async function oldRuns(folder) {
  const playbook = join(folder, 'trivial.yaml')
  writeFileSync(playbook, 'hostops: 1\nname: trivial\nsteps:\n  - run: [/bin/true]\n')
  const [few, many] = [join(folder, 'few'), join(folder, 'many')]
  const config = join(folder, 'c.yaml')
  writeFileSync(config, 'keepRuns: 2000\n')
  hostops(few, ['run', playbook, '--config', config])
  fill(few, many)
  const took = { few: [], many: [], runs: [], pruning: [] }
  for (let round = 0; round < ROUNDS; round++) {
    took.few.push(await timed(() => hostops(few, ['run', playbook, '--config', config])))
    took.many.push(await timed(() => hostops(many, ['run', playbook, '--config', config])))
    took.runs.push(await timed(() => hostops(many, ['runs', '--limit', '2000'])))
    took.pruning.push(await timed(() => hostops(many, ['run', playbook])))
  }
  return [
    atMost('run beside 1000 old runs to run beside few', median(took.many) / median(took.few), 'times', 1.1),
    atMost(
      'run that prunes some of 1000 to run beside few',
      median(took.pruning) / median(took.few),
      'times',
      1.25,
    ),
    atMost('hostops runs over 1000 runs', median(took.runs), 'ms', 500),
  ]
}

function fill(few, many) {
  const [id] = readdirSync(join(few, 'runs'))
  const from = join(few, 'runs', id)
  const head = JSON.parse(readFileSync(join(from, 'run.json'), 'utf8'))
  mkdirSync(join(many, 'runs'), { recursive: true })
  for (let n = 0; n < OLD_RUNS; n++) {
    const startedAt = new Date(Date.now() - (n + 1) * 60_000).toISOString()
    const stamp = startedAt.replace(/[-:]|\.\d+/g, '')
    const runId = `${stamp}-${String(n).padStart(6, '0')}`
    const to = join(many, 'runs', runId)
    cpSync(from, to, { recursive: true })
    writeFileSync(join(to, 'run.json'), JSON.stringify({ ...head, runId, startedAt }))
  }
}

function hostops(state, args, { node = [], die = '' } = {}) {
  const env = { ...process.env, HOSTOPS_STATE_DIR: state, HOSTOPS_DIE: die }
  const { status, signal, stderr } = spawnSync(process.execPath, [...node, dist('hostops'), ...args], {
    env,
    encoding: 'utf8',
  })
  if (status !== 0 && !(die && signal === 'SIGKILL'))
    throw new Error(`${args.join(' ')} ended with ${status}\n${stderr}`)
}

await main(import.meta, run)
