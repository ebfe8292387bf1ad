/** What is bundled is named with its terms: for people in the notices, for machines in the SBOM. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(`${root}/${file}`, 'utf8')
const notices = read('dist/THIRD-PARTY-NOTICES')
const sbom = JSON.parse(read('dist/sbom.cdx.json'))

/** That a module of the program imports by name, but for types. */
const imported = new Set(
  readdirSync(`${root}/src`, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .flatMap(file => [
      ...read(`src/${file}`).matchAll(/^import (?!type ).* from '((?:@[^/']+\/)?[\w-]+)[^':]*'$/gm),
    ])
    .map(found => found[1]!),
)

test('what the program imports was found', () => {
  expect([...imported]).toEqual(expect.arrayContaining(['commander', 'listr2', 'yaml', 'zod']))
})

describe.each([...imported])('%s', name => {
  const { version, license } = JSON.parse(read(`node_modules/${name}/package.json`))

  test('has its version and its terms in the notices', () => {
    const [, after = ''] = notices.split(`\n${name} ${version} (${license})\n`)
    expect(after.split('-'.repeat(80))[0]).toMatch(/copyright/i)
  })

  test('is in the SBOM, with the digest of its archive', () => {
    const component = sbom.components.find((each: { name: string }) => each.name === name)
    const [, digest = ''] = JSON.parse(read('package-lock.json')).packages[
      `node_modules/${name}`
    ].integrity.split('-')
    expect(component).toMatchObject({
      version,
      purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
      hashes: [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }],
    })
  })
})

test('packages that come with those are named too', () => {
  const named = sbom.components.map((each: { name: string }) => each.name)
  expect(named.length).toBeGreaterThan(imported.size)
  for (const name of named) expect(notices).toContain(`\n${name} `)
})
