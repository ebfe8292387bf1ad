/** What `npm pack` puts into the package: what a user needs, and nothing else. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

test('npm pack holds exactly what a user needs', () => {
  const json = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [{ files, unpackedSize }] = JSON.parse(json) as [{ files: { path: string }[]; unpackedSize: number }]
  const paths = files.map(file => file.path)
  const rest = paths.filter(
    path => !/^(dist\/chunks\/.+\.js|examples\/.+|playbooks\/.+\.yaml|schemas\/.+\.json)$/.test(path),
  )
  expect(rest.sort()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'dist/THIRD-PARTY-NOTICES',
    'dist/hostlink-supervise.js',
    'dist/hostlink.cjs',
    'dist/hostlinkd.js',
    ...['cel', 'main', 'mcp', 'more', 'run'].flatMap(part => [
      `dist/hostops-${part}.cjs`,
      `dist/hostops-${part}.cjs.${process.versions.v8}-${process.arch}.cache`,
    ]),
    'dist/hostops-trigger.cjs',
    'dist/hostops.cjs',
    'dist/sbom.cdx.json',
    'package.json',
    'src/hostlink/PROTOCOL.md',
  ])
  const { bin } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
  for (const file of Object.values(bin)) expect(paths).toContain(file)
  expect(paths).toContain('playbooks/upgrade-openclaw.yaml')
  expect(unpackedSize).toBeLessThan(5_500_000)
})
