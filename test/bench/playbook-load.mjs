// A 1 000-step playbook loads and plans: time and memory of a process that does nothing else.
// The limits are those of issue 3. V8 has the flags that `hostops run` gives it before it loads a playbook.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { main } from './rig.mjs'

const STEPS = 1000
const src = path => fileURLToPath(new URL(`../../src/${path}`, import.meta.url))
const program = `
import { keepHeapSmall } from ${JSON.stringify(src('process/v8-flags.ts'))}
import { makePlan } from ${JSON.stringify(src('engine/make-plan.ts'))}
import { loadPlaybook } from ${JSON.stringify(src('playbook/load.ts'))}
import { kinds } from ${JSON.stringify(src('steps/index.ts'))}
const step = i => i % 3 === 0
  ? '  - uses: git.checkout\\n    with: { ref: "\${{ inputs.ref }}" }\\n'
  : '  - run: [echo, "\${{ inputs.ref }}-' + i + '", "\${{ run.target }}"]\\n    when: inputs.count > ' + i + '\\n    timeout: 30s\\n'
const text = 'hostops: 1\\nname: large\\ninputs:\\n  ref: { type: ref, default: main }\\n  count: { type: integer, default: 5 }\\ndefaults: { repo: /srv/app }\\nsteps:\\n'
  + Array.from({ length: ${STEPS} }, (_, i) => step(i)).join('')
keepHeapSmall()
const started = performance.now()
const loaded = loadPlaybook(text, 'large.yaml', kinds)
const loadMs = performance.now() - started
if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics[0]))
const planned = makePlan({ playbook: loaded.playbook, inputs: { ref: 'main', count: 5 }, env: {}, target: 'local' })
if (!planned.ok) throw new Error(JSON.stringify(planned.failure))
const totalMs = performance.now() - started
console.log(JSON.stringify({ steps: planned.plan.steps.length, loadMs: Math.round(loadMs), totalMs: Math.round(totalMs), rssMb: Math.round(process.resourceUsage().maxRSS / 1024) }))
`

export async function run() {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-bench-'))
  try {
    const outfile = join(folder, 'bench.mjs')
    await build({
      stdin: {
        contents: program,
        resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
        loader: 'ts',
      },
      outfile,
      alias: { yaml: fileURLToPath(new URL('../../node_modules/yaml/browser/index.js', import.meta.url)) },
      banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20.19',
      minify: true,
      logLevel: 'error',
    })
    const runs = Array.from({ length: 5 }, () => measure(outfile))
    // The best of five: other work on a shared machine only ever adds.
    const best = runs.reduce((a, b) => (b.totalMs < a.totalMs ? b : a))
    return [
      {
        name: `load and plan ${STEPS} steps`,
        value: best.totalMs,
        unit: 'ms',
        limit: '< 500',
        ok: best.totalMs < 500,
      },
      { name: 'memory', value: best.rssMb, unit: 'MB', limit: '< 150', ok: best.rssMb < 150 },
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function measure(file) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

await main(import.meta, run)
