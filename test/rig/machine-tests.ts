/**
 * What `npm run test:machine` plays: engines, ssh servers, real runs that are killed, and whatever starts many processes.
 * Longest first, as vitest starts them; of a folder, what is not named before it comes in its place.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const LONGEST_FIRST = [
  'docker/shapes',
  'docker/rollout',
  'crash/docker',
  'crash/matrix',
  'docker/stack',
  'docker/hazards',
  'steps/git-owner',
  'steps/standing-stack',
  'docker/guard',
  'docker/way-back',
  'steps/compose-set',
  'docker/foreign',
  'docker/many-runs',
  'docker/engine',
  'docker/upgrade',
  'crash/disk',
  'crash/rivals',
  'steps/git-hazards',
  'docker/examples',
  'cli/on-host',
  'transport/ssh',
  'crash/left-behind',
  'docker/',
  'crash/',
  'steps/compose',
  'hostlink/bad-input/',
  'steps/git-published',
  'cli/reconcile',
  'transport/hostlink',
  'cli/upgrade',
  'serve/trigger',
  'cli/outcomes',
  'cli/demo',
  'cli/orphans',
  'cli/truth',
  'transport/hostlink-old',
  'steps/git-hostile',
  'cli/downtime',
  'hostlink/daemon/life',
  'transport/quote',
  'transport/local',
  'steps/env-set',
  'steps/files-snapshot',
  'cli/last',
  'transport/ssh-script',
  'steps/standing-later',
  'steps/image-pins',
  'serve/mcp',
  'serve/mcp-host',
  'cli/attempts',
  'cli/damaged',
  'transport/soak',
  'cli/confirm',
  'cli/output-places',
  'cli/secrets',
  'cli/state',
  'cli/start',
  'transport/adopt-orphan',
  'cli/elsewhere',
  'cli/other-user',
].map(name => (name.endsWith('/') ? name : `${name}.test.ts`))

const TESTS = new URL('..', import.meta.url)
for (const name of LONGEST_FIRST)
  if (!existsSync(new URL(name, TESTS)))
    throw new Error(`test/rig/machine-tests.ts: there is no test/${name}`)

export const MACHINE_TESTS = LONGEST_FIRST.map(name =>
  name.endsWith('/') ? `test/${name}**/*.test.ts` : `test/${name}`,
)

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files)
    return others.sort((a, b) => placeOf(a) - placeOf(b))
  }
}

/** A file before the folder that it is in. */
function placeOf({ moduleId }: TestSpecification): number {
  const path = moduleId.slice(fileURLToPath(TESTS).length)
  const place = LONGEST_FIRST.indexOf(path)
  if (place >= 0) return place
  const folder = LONGEST_FIRST.findIndex(name => name.endsWith('/') && path.startsWith(name))
  return folder >= 0 ? folder : LONGEST_FIRST.length
}
