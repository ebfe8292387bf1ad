/** Playbooks that a token may start here, with what each of them wants: what an agent asks first. */

import { type Body, failure } from '../hostlink/daemon/peers/answer.ts'
import { bareDigest, type PlaybookGrant, type Policy, type Token } from '../hostlink/daemon/policy/policy.ts'
import type { RunSettings } from '../hostlink/daemon/run-service.ts'
import { type DescribedInput, withValueFrom } from '../playbook/describe.ts'
import { systemReason } from '../process/system-error.ts'
import type { AroundRuns } from './around-runs.ts'
import { runEnvironment } from './hostops-command.ts'
import { findInstalled, type Installed } from './installed-playbooks.ts'
import type { Known } from './known-playbooks.ts'

export const BROKEN = 'it has mistakes: hostops validate tells them on the host'

/** `problem`: why nobody can start it at present. */
export type Offered = {
  name: string
  description: string | null
  digest: string | null
  inputs: DescribedInput[]
  problem: string | null
}

type Place = Pick<RunSettings, 'playbooksDir' | 'runsStateDir' | 'shell' | 'envAllow'>

export async function offeredPlaybooks(
  token: Token,
  { config, hostEnv, inTurn }: Pick<AroundRuns, 'config' | 'hostEnv' | 'inTurn'>,
): Promise<Body> {
  const offerTo = await loadOffers()
  const playbooks = await inTurn(token, async () => offerTo(token.policy, config(), hostEnv))
  return typeof playbooks === 'string' ? failure(playbooks) : { status: 'ok', playbooks }
}

type OfferTo = (policy: Policy, settings: Place, hostEnv: NodeJS.ProcessEnv) => Offered[] | string

/** Loads all that a playbook can hold, which only those need who ask. A text: why they cannot be listed. */
export async function loadOffers(): Promise<OfferTo> {
  const { knownPlaybooks } = await import('./known-playbooks.ts')
  return (policy, settings, hostEnv) => {
    const known = knownPlaybooks(settings.playbooksDir, runEnvironment(settings, hostEnv))
    if (typeof known === 'string') return known
    const grants = policy.kind === 'playbooks' ? policy.playbooks : known.map(({ name }) => ({ name }))
    return grants.map(grant => offer(grant, known, settings)).filter(each => each !== null)
  }
}

/** Null for what has the name, and is not what would run under it. */
function offer(
  grant: Pick<PlaybookGrant, 'name'> & Partial<PlaybookGrant>,
  known: readonly Known[],
  settings: Place,
): Offered | null {
  const { name, digest, pinned = {} } = grant
  const none = (problem: string): Offered => ({ name, description: null, digest: null, inputs: [], problem })
  let installed: Installed | null
  try {
    installed = findInstalled(name, settings)
  } catch (error) {
    return none(`it cannot be read: ${systemReason(error)}`)
  }
  if (installed === null) return digest === undefined ? null : none('it is not installed on this host')
  if (digest !== undefined && installed.digest !== bareDigest(digest))
    return none('it is not the one that was reviewed (its digest differs)')
  const entry = known.find(each => each.name === name && each.file === installed.file)
  if (entry === undefined) return digest === undefined ? null : none('the host does not tell what it wants')
  return {
    name,
    description: entry.description,
    digest: installed.digest,
    inputs: entry.inputs.map(input => withValueFrom('pinned', pinned, input)),
    problem: entry.isValid ? null : BROKEN,
  }
}
