/** A program of a test's own in one file, with what it imports from `./src`. */
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export async function bundleProgram(contents: string): Promise<string> {
  const built = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('../../', import.meta.url)), loader: 'ts' },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    define: { __VERSION__: '"0"' },
    banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  })
  return built.outputFiles[0]!.text
}
