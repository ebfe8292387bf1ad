// The memory of hostops beside a step with 1 GiB of output, against the same step with 64 MiB: more than is kept of it.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { atMost, dist, main, peakMiB, told } from './rig.mjs'

/** The heap's own slack: what is kept and shown of an output is full with the little one already. */
const MAY_GROW_MIB = 32

export async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-bench-'))
  try {
    const little = await peakOf(folder, 64)
    const much = await peakOf(folder, 1024)
    return [
      told('peak with 64 MiB of output', little, 'MiB'),
      atMost('growth with 1 GiB of output', much - little, 'MiB', MAY_GROW_MIB),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function peakOf(folder, mib) {
  const playbook = join(folder, `${mib}.yaml`)
  const argv = JSON.stringify(['head', '-c', String(mib * 1024 * 1024), '/dev/zero'])
  writeFileSync(playbook, `hostops: 1\nname: output\nsteps:\n  - run: ${argv}\n    effect: read\n`)
  const env = { ...process.env, HOSTOPS_STATE_DIR: join(folder, 'state') }
  const child = spawn(process.execPath, [dist('hostops'), 'run', playbook], { env, stdio: 'ignore' })
  let peak = 0
  const look = setInterval(() => {
    try {
      peak = Math.max(peak, peakMiB(child.pid))
    } catch {
      // It has ended.
    }
  }, 5)
  const code = await new Promise(resolve => child.once('exit', resolve))
  clearInterval(look)
  if (code !== 0) throw new Error(`a step with ${mib} MiB of output ended with ${code}`)
  return peak
}

await main(import.meta, run)
