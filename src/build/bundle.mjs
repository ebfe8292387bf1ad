// Builds the bins into dist/: one small entry each, everything else in files that load on demand.
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'
import { execaSync } from 'execa'
import { bundledPackages, noticesText, sbomText } from './notices.mjs'

const root = new URL('../../', import.meta.url)
const path = relative => fileURLToPath(new URL(relative, root))
const { version } = JSON.parse(readFileSync(path('package.json'), 'utf8'))

rmSync(path('dist'), { recursive: true, force: true })

const entryPoints = {
  hostlinkd: path('src/bin/hostlinkd.ts'),
  demo: path('examples/demo/demo.ts'),
  'hostlink-supervise': path('src/bin/supervise.ts'),
}

/** For a part of a package that is never used here. */
const without = (name, part, importers, contents) => ({
  name,
  setup(builder) {
    builder.onResolve({ filter: part }, ({ importer }) =>
      importers.test(importer) ? { path: 'none', namespace: name } : undefined,
    )
    builder.onLoad({ filter: /.*/, namespace: name }, () => ({ contents }))
  },
})
/** zod re-exports its messages in forty languages: a quarter of what a run would have to read. Ours are English. */
const withoutLocales = without('without-locales', /\/locales\/index\.js$/, /node_modules\/zod\//, 'export {}')
/** commander can start programs as its subcommands. Ours has none, and Node's part for it is slow to load. */
const withoutExecutables = without(
  'without-executables',
  /^node:child_process$/,
  /node_modules\/commander\//,
  'module.exports = {}',
)
/** For questions of a server to its client, and ours asks none. */
const withoutAjv = without(
  'without-ajv',
  /\/ajv-provider\.js$/,
  /node_modules\/@modelcontextprotocol\//,
  'export class AjvJsonSchemaValidator {}',
)

/** Each costs milliseconds to load, and most calls need none or few of them: loaded at the first use of a name. */
const LAZY = /^(node:(child_process|crypto|os|timers\/promises)|@marcbachmann\/cel-js)$/
const CEL = '@marcbachmann/cel-js'
const lazily = {
  name: 'lazily',
  setup(builder) {
    builder.onResolve({ filter: LAZY }, ({ path, namespace }) =>
      namespace === 'lazily' ? undefined : { path, namespace: 'lazily' },
    )
    builder.onResolve({ filter: /^\.\/cel\.js$/, namespace: 'lazily' }, ({ path }) => ({
      path,
      external: true,
    }))
    builder.onLoad({ filter: LAZY, namespace: 'lazily' }, async ({ path: name }) => {
      const names = Object.keys(await import(name)).filter(each => each !== 'default')
      const file = name === CEL ? './cel.js' : name
      const getters = names.map(each => `get ${each}() { return require('${file}').${each} }`)
      return { contents: `module.exports = {\n${getters.join(',\n')}\n}`, resolveDir: path('src') }
    })
  },
}

const common = {
  plugins: [withoutLocales],
  absWorkingDir: path('.'),
  preserveSymlinks: true,
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
  metafile: true,
}

/** What each build has bundled. */
const metafiles = []
async function bundle(options) {
  const built = await build({ ...common, ...options })
  metafiles.push(built.metafile)
  return built
}

await bundle({
  entryPoints: Object.fromEntries(Object.entries(entryPoints).filter(([, file]) => existsSync(file))),
  outdir: path('dist'),
  chunkNames: 'chunks/[name]-[hash]',
  splitting: true,
  format: 'esm',
  // Bundled CommonJS packages call require() for Node's own modules.
  banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
})

// The client's whole life is 15 ms: one CommonJS file, because Node's ES module loader alone takes a third of that. So is
// the trigger: what root owns, and an agent may start, is one file.
for (const name of ['hostlink', 'hostops-trigger']) {
  await bundle({
    entryPoints: [path(`src/bin/${name}.ts`)],
    outfile: path(`dist/${name}.cjs`),
    minify: true,
    format: 'cjs',
  })
}

const MCP_SDK = './mcp-sdk.js'
/** Built apart, so that nothing which it shares with the program grows for every call. */
const mcpSdkApart = {
  name: 'mcp-sdk-apart',
  setup(builder) {
    builder.onResolve({ filter: /^\.\/sdk\.ts$/ }, ({ importer }) =>
      /\/src\/serve\/mcp\//.test(importer) ? { path: MCP_SDK, external: true } : undefined,
    )
  },
}

// The runner's start is measured too: a bin that loads the parts which the call needs, and beside each part the code
// that calls have compiled.
const runner = { plugins: [withoutLocales, withoutExecutables, lazily], write: false }
const { outputFiles, metafile } = await bundle({
  ...runner,
  plugins: [...runner.plugins, mcpSdkApart],
  entryPoints: { start: path('src/cli/start.ts') },
  outdir: path('dist'),
  chunkNames: '[name]-[hash]',
  splitting: true,
  format: 'esm',
  define: { ...common.define, 'import.meta.url': '__here.url' },
})
const cel = await bundle({
  ...runner,
  entryPoints: [path('node_modules/@marcbachmann/cel-js/lib/index.js')],
  format: 'esm',
  outfile: path('dist/cel.js'),
})
const mcpSdk = await bundle({
  ...runner,
  plugins: [...runner.plugins, withoutAjv],
  entryPoints: [path('src/serve/mcp/sdk.ts')],
  format: 'esm',
  outfile: path('dist/mcp-sdk.js'),
})
/** Each module is known by the name that others import it by. */
const nameOf = file => `./${basename(file)}`
const built = [outputFiles, cel.outputFiles, mcpSdk.outputFiles].flat()
const codeOf = new Map(built.map(file => [nameOf(file.path), file.text]))
const outputs = new Map(Object.entries(metafile.outputs).map(([file, output]) => [nameOf(file), output]))

/** With all that is loaded with them: what is imported at its first use is not. */
function modulesOf(...sources) {
  const found = new Set()
  const add = name => {
    if (found.has(name)) return
    found.add(name)
    for (const { path: imported, kind, external } of outputs.get(name).imports)
      if (kind === 'import-statement' && !external) add(nameOf(imported))
  }
  for (const source of sources) add([...outputs].find(([, { entryPoint }]) => entryPoint === source)[0])
  return [...found]
}

// A module belongs to the first part that has it.
const parts = {
  // What every call needs, and `validate` nothing else.
  main: modulesOf('src/cli/start.ts', 'src/process/v8-flags.ts', 'src/cli/commands/validate.ts'),
  // For expressions that are more than the name of a value.
  cel: ['./cel.js'],
  // What a run on this machine adds, when no terminal is there to draw on.
  run: modulesOf(
    'src/cli/commands/run.ts',
    'src/app/start-run.ts',
    'src/transport/local.ts',
    'src/ui/lines-face.ts',
  ),
  // `hostops mcp` alone.
  mcp: [MCP_SDK, modulesOf('src/serve/mcp/server.ts')[0]],
  more: [...outputs.keys()],
}
const partOf = {}
for (const [part, names] of Object.entries(parts)) for (const name of names) partOf[name] ??= part

// As parts.ts reads them: one expression each, in ASCII. Text in literals of regular expressions is the only one that
// esbuild leaves as it is.
const escaped = character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
const buildName = createHash('sha256')
for (const part of Object.keys(parts)) {
  const members = part === 'main' ? [`parts:${JSON.stringify(partOf)}`] : []
  for (const name of Object.keys(partOf).filter(each => partOf[each] === part)) {
    const { code } = await transform(codeOf.get(name), {
      format: 'cjs',
      target: common.target,
      minifySyntax: true,
      minifyWhitespace: true,
      supported: { 'dynamic-import': false },
    })
    members.push(`${JSON.stringify(name)}:function(exports,require,module,__here){${code}\n}`)
  }
  const code = `({${members.join(',\n')}})\n`.replace(/[^\0-\x7f]/g, escaped)
  // As compile.ts reads it.
  const text = `/*  ${createHash('sha256').update(code).digest('hex')}  */${code}`
  buildName.update(text)
  writeFileSync(path(`dist/hostops-${part}.cjs`), text)
}

await bundle({
  entryPoints: { hostops: path('src/bin/hostops.ts') },
  outdir: path('dist'),
  outExtension: { '.js': '.cjs' },
  plugins: [lazily],
  format: 'cjs',
  define: {
    ...common.define,
    'import.meta.dirname': '__dirname',
    __BUILD__: JSON.stringify(buildName.digest('hex').slice(0, 20)),
  },
})
await build({
  ...common,
  entryPoints: [path('src/bin/make-cache.ts')],
  outdir: path('dist'),
  format: 'esm',
})

const packages = bundledPackages(metafiles, path('.'))
writeFileSync(path('dist/THIRD-PARTY-NOTICES'), noticesText(packages))
writeFileSync(path('dist/sbom.cdx.json'), sbomText(version, packages))

const scratch = mkdtempSync(join(tmpdir(), 'hostops-bundle-'))
try {
  const playbook = join(scratch, 'typical.yaml')
  writeFileSync(playbook, 'hostops: 1\nname: typical\nsteps:\n  - run: [node, --version]\n')
  const env = { HOSTOPS_STATE_DIR: join(scratch, 'state'), HOSTOPS_CONFIG: '' }
  const shipped = path('playbooks/upgrade-openclaw.yaml')
  const calls = [
    ['validate', shipped],
    ['run', playbook, '--quiet'],
  ]
  const args = [
    path('dist/make-cache.js'),
    path('dist'),
    JSON.stringify(Object.keys(parts)),
    JSON.stringify(calls),
  ]
  execaSync(process.execPath, args, { cwd: scratch, env })
} catch (error) {
  console.error(`without compiled code hostops starts slower: ${error.message}`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
  rmSync(path('dist/make-cache.js'))
}
