/** What the licences of bundled packages ask for, and a list of them for machines (CycloneDX), from what esbuild has bundled. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The packages of these builds, as package-lock.json knows them, by name. */
export function bundledPackages(metafiles, root) {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const inputs = metafiles.flatMap(({ outputs }) =>
    Object.values(outputs).flatMap(output =>
      Object.entries(output.inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
    ),
  )
  const folders = new Set(
    inputs.flatMap(file => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []),
  )
  return [...folders].sort().map(folder => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
    const { integrity } = lock[folder.slice(folder.indexOf('node_modules/'))]
    return { name, version, license, integrity, text: licenceOf(join(root, folder)) }
  })
}

/** Throws without one: nothing is bundled whose terms nobody has. */
function licenceOf(folder) {
  const file = readdirSync(folder).find(name => /^(licen[cs]e|copying)(-mit)?(\.(md|txt))?$/i.test(name))
  if (file === undefined) throw new Error(`${folder} has no licence text, so that it cannot be bundled`)
  return readFileSync(join(folder, file), 'utf8').trim()
}

export const noticesText = packages =>
  [
    'hostops contains parts of these packages:',
    ...packages.map(
      ({ name, version, license, text }) => `${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${text}\n`,
    ),
  ].join('\n\n')

/** Without a time and without a serial number: two builds of one source are equal. */
export const sbomText = (version, packages) =>
  `${JSON.stringify(
    {
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      version: 1,
      metadata: {
        component: { type: 'application', name: 'hostops', version, 'bom-ref': `pkg:npm/hostops@${version}` },
      },
      components: packages.map(({ name, version, license, integrity }) => ({
        type: 'library',
        name,
        version,
        purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
        'bom-ref': `pkg:npm/${name.replace('@', '%40')}@${version}`,
        licenses: [{ license: { id: license } }],
        hashes: hashesOf(integrity),
      })),
    },
    null,
    2,
  )}\n`

const hashesOf = integrity => {
  const [algorithm, digest] = integrity.split('-')
  if (algorithm !== 'sha512') throw new Error(`unknown digest ${integrity}`)
  return [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }]
}
