/** Two builds of one source give the same files, wherever they are made: only compiled code differs. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const NEEDED = ['src', 'examples', 'playbooks', 'package.json', 'package-lock.json', 'tsconfig.json']

const built = (dist: string) =>
  readdirSync(dist, { recursive: true, encoding: 'utf8' })
    .filter(file => !file.endsWith('.cache') && statSync(join(dist, file)).isFile())
    .sort()

test('a build in another folder is the same, byte by byte', () => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'hostops-build-'))
  try {
    for (const name of NEEDED) cpSync(join(root, name), join(elsewhere, name), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(elsewhere, 'node_modules'))
    execFileSync(process.execPath, ['src/build/bundle.mjs'], { cwd: elsewhere, stdio: 'pipe' })
    const [here, there] = [join(root, 'dist'), join(elsewhere, 'dist')]
    expect(built(there)).toEqual(built(here))
    const differing = built(here).filter(
      file => !readFileSync(join(here, file)).equals(readFileSync(join(there, file))),
    )
    expect(differing).toEqual([])
  } finally {
    rmSync(elsewhere, { recursive: true, force: true })
  }
})
