// What hostops-trigger costs as a process through its native launcher, against the same without it and `node -e 0`.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { dist, main, median } from './rig.mjs'

const ROUNDS = 31
const LAUNCHER = fileURLToPath(new URL('../../src/app/openclaw/elf-launcher.ts', import.meta.url))

export async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-bench-'))
  const built = join(folder, 'elf-launcher.mjs')
  await build({ entryPoints: [LAUNCHER], outfile: built, bundle: true, format: 'esm', platform: 'node' })
  const { elfLauncher } = await import(built)
  const script = dist('hostops-trigger')
  const launcher = join(folder, 'hostops-trigger')
  const env = {
    HOSTLINK_SOCKET: '/run/hostlink/hostlink.sock',
    HOSTLINK_TOKEN_FILE: '/etc/hostlink/tokens/agent',
  }
  const words = { arch: process.arch, program: process.execPath, words: [script], env }
  writeFileSync(launcher, elfLauncher(words), { mode: 0o755 })
  try {
    const [bare, direct, native] = [[], [], []]
    for (let round = 0; round < ROUNDS; round++) {
      bare.push(time(process.execPath, ['-e', '0']))
      direct.push(time(process.execPath, [script, '--version']))
      native.push(time(launcher, ['--version']))
    }
    const ratio = (a, b) => Number((median(a) / median(b)).toFixed(2))
    const row = (name, value, unit, limit) => ({
      name,
      value,
      unit,
      limit: `<= ${limit}`,
      ok: value <= limit,
    })
    return [
      row('the launcher', statSync(launcher).size, 'bytes', 1000),
      row('hostops-trigger --version through it', ratio(native, bare), 'x node -e 0', 2.5),
      row('the same to that without it', ratio(native, direct), 'x', 1.1),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function time(program, args) {
  const started = process.hrtime.bigint()
  const { status } = spawnSync(program, args, { env: {}, stdio: 'ignore' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}`)
  return Number(process.hrtime.bigint() - started)
}

await main(import.meta, run)
