// Builds the three bins into dist/: one small entry each, everything else in chunks that load on demand.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = new URL('../', import.meta.url)
const path = relative => fileURLToPath(new URL(relative, root))
const { version } = JSON.parse(readFileSync(path('package.json'), 'utf8'))

rmSync(path('dist'), { recursive: true, force: true })

const entryPoints = {
  hostops: path('src/cli/hostops.ts'),
  hostlinkd: path('src/hostlink/daemon/bin.ts'),
  demo: path('src/cli/demo/demo.ts'),
  'hostlink-supervise': path('src/hostlink/daemon/supervise.ts'),
}

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: false,
  legalComments: 'linked',
  define: { __VERSION__: JSON.stringify(version) },
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
