// Builds the three bins into dist/: one small entry each, everything else in files that load on demand.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = new URL('../', import.meta.url)
const path = relative => fileURLToPath(new URL(relative, root))
const { version } = JSON.parse(readFileSync(path('package.json'), 'utf8'))

rmSync(path('dist'), { recursive: true, force: true })

/** Stands for what names this build, until it is known. */
const BUILD = '@build@'

const entryPoints = {
  hostlinkd: path('src/hostlink/daemon/bin.ts'),
  demo: path('src/cli/demo/demo.ts'),
  'hostlink-supervise': path('src/hostlink/daemon/jobs/supervise.ts'),
}

/** zod re-exports its messages in forty languages: a quarter of what a run would have to read. Ours are English. */
const withoutLocales = {
  name: 'without-locales',
  setup(builder) {
    builder.onResolve({ filter: /\/locales\/index\.js$/ }, ({ importer }) =>
      /node_modules\/zod\//.test(importer) ? { path: 'none', namespace: 'without-locales' } : undefined,
    )
    builder.onLoad({ filter: /.*/, namespace: 'without-locales' }, () => ({ contents: 'export {}' }))
  },
}

/** commander can start programs as its subcommands. Ours has none, and Node's part for it is slow to load. */
const withoutExecutables = {
  name: 'without-executables',
  setup(builder) {
    builder.onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      /node_modules\/commander\//.test(importer)
        ? { path: 'none', namespace: 'without-executables' }
        : undefined,
    )
    builder.onLoad({ filter: /.*/, namespace: 'without-executables' }, () => ({
      contents: 'module.exports = {}',
    }))
  },
}

/** Each costs milliseconds to load, and most calls need none or few of them: loaded at the first use of a name. */
const LAZY = /^(node:(child_process|crypto|os|timers\/promises)|@marcbachmann\/cel-js)$/
const lazily = {
  name: 'lazily',
  setup(builder) {
    builder.onResolve({ filter: LAZY }, ({ path, namespace }) =>
      namespace === 'lazily' ? undefined : { path, namespace: 'lazily' },
    )
    builder.onLoad({ filter: LAZY, namespace: 'lazily' }, async ({ path: name }) => {
      const names = Object.keys(await import(name)).filter(each => each !== 'default')
      const getters = names.map(each => `get ${each}() { return require('${name}').${each} }`)
      return { contents: `module.exports = {\n${getters.join(',\n')}\n}`, resolveDir: path('src') }
    })
  },
}

const common = {
  plugins: [withoutLocales],
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  legalComments: 'linked',
  define: { __VERSION__: JSON.stringify(version) },
  // Its CommonJS build, which Node would get, cannot be shaken; this one is the same code as ES modules.
  alias: { yaml: path('node_modules/yaml/browser/index.js') },
  logLevel: 'warning',
}

await build({
  ...common,
  entryPoints: Object.fromEntries(Object.entries(entryPoints).filter(([, file]) => existsSync(file))),
  outdir: path('dist'),
  chunkNames: 'chunks/[name]-[hash]',
  splitting: true,
  format: 'esm',
  // Bundled CommonJS packages call require() for Node's own modules.
  banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
})

// The client's whole life is 15 ms: one CommonJS file, because Node's ES module loader alone takes a third of that.
await build({
  ...common,
  entryPoints: [path('src/hostlink/bin.ts')],
  outfile: path('dist/hostlink.cjs'),
  minify: true,
  format: 'cjs',
})

// The runner's start is measured too: a bin that loads one file, and beside that the code that calls have compiled.
await build({
  ...common,
  entryPoints: { hostops: path('src/cli/start/hostops.ts'), 'hostops-main': path('src/cli/start/start.ts') },
  outdir: path('dist'),
  outExtension: { '.js': '.cjs' },
  plugins: [withoutLocales, withoutExecutables, lazily],
  format: 'cjs',
  define: { ...common.define, 'import.meta.url': '__url', __BUILD__: JSON.stringify(BUILD) },
  banner: { js: "const __url=require('node:url').pathToFileURL(__filename).href;" },
})
await build({
  ...common,
  entryPoints: [path('src/cli/start/make-cache.ts')],
  outdir: path('dist'),
  format: 'esm',
})

// As compile.ts reads it: one function, in ASCII. Text in literals of regular expressions is the only one that
// esbuild leaves as it is.
const program = readFileSync(path('dist/hostops-main.cjs'), 'utf8')
const escaped = character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
const ascii = program.replace(/[^\0-\x7f]/g, escaped)
const main = `(function(exports,require,module,__filename,__dirname){${ascii}\n})\n`
writeFileSync(path('dist/hostops-main.cjs'), main)
const bin = readFileSync(path('dist/hostops.cjs'), 'utf8')
const buildName = createHash('sha256').update(main).digest('hex').slice(0, 20)
writeFileSync(path('dist/hostops.cjs'), bin.replace(BUILD, buildName))

const scratch = mkdtempSync(join(tmpdir(), 'hostops-bundle-'))
try {
  const playbook = join(scratch, 'typical.yaml')
  writeFileSync(playbook, 'hostops: 1\nname: typical\nsteps:\n  - run: [node, --version]\n')
  const env = { ...process.env, HOSTOPS_STATE_DIR: join(scratch, 'state'), HOSTOPS_CONFIG: '' }
  const shipped = path('playbooks/upgrade-openclaw.yaml')
  const calls = [
    ['validate', shipped],
    ['run', playbook, '--quiet'],
  ]
  const args = [path('dist/make-cache.js'), path('dist/hostops-main.cjs'), JSON.stringify(calls)]
  execFileSync(process.execPath, args, { cwd: scratch, env, stdio: 'ignore' })
} catch (error) {
  console.error(`without compiled code hostops starts slower: ${error.message}`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
  rmSync(path('dist/make-cache.js'))
}
