// What a call of hostops costs as a process, against `node -e 0`: medians of interleaved runs.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dist, main, median } from './rig.mjs'

const ROUNDS = 31
const PLAYBOOK = fileURLToPath(new URL('../../playbooks/upgrade-openclaw.yaml', import.meta.url))

export async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-bench-'))
  const trivial = join(folder, 'trivial.yaml')
  writeFileSync(trivial, 'hostops: 1\nname: trivial\nsteps:\n  - run: [/bin/true]\n')
  // The first call of a Node that the build was not made with leaves its compiled code there, as it would at home.
  const cache = join(folder, 'cache')
  mkdirSync(cache)
  const env = { ...process.env, HOSTOPS_STATE_DIR: join(folder, 'state'), XDG_CACHE_HOME: cache }
  const hostops = dist('hostops')
  const cases = [
    { name: 'hostops --version', args: [hostops, '--version'], limit: 1.3 },
    { name: 'hostops validate upgrade-openclaw', args: [hostops, 'validate', PLAYBOOK], limit: 2 },
    { name: 'hostops run, one trivial step', args: [hostops, 'run', trivial], limit: 2.5 },
  ]
  try {
    const bare = []
    const taken = cases.map(() => [])
    for (let round = 0; round < ROUNDS; round++) {
      bare.push(time(['-e', '0'], env))
      cases.forEach(({ args }, at) => {
        taken[at].push(time(args, env))
      })
    }
    return cases.map(({ name, limit }, at) => {
      const value = median(taken[at]) / median(bare)
      return {
        name,
        value: Number(value.toFixed(2)),
        unit: 'x node -e 0',
        limit: `<= ${limit}`,
        ok: value <= limit,
      }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function time(args, env) {
  const started = process.hrtime.bigint()
  const { status } = spawnSync(process.execPath, args, { env, stdio: 'ignore' })
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}`)
  return Number(process.hrtime.bigint() - started)
}

await main(import.meta, run)
