/** Grants that let their token do more than their author will have meant, or less: known by what the playbooks want. */

import { nearest } from '../document/nearest.ts'
import type { Config } from '../hostlink/daemon/config/config.ts'
import type { Problem } from '../hostlink/daemon/config/problem.ts'
import type { Token } from '../hostlink/daemon/policy/policy.ts'
import type { GrantFindings } from '../hostlink/daemon/run-service.ts'
import { findInstalled, type Installed } from './installed-playbooks.ts'
import { BROKEN, loadOffers, type Offered } from './offered-playbooks.ts'

/** What is not installed as it was reviewed is told elsewhere. */
export async function checkGrants(
  config: Config,
  tokens: readonly Token[],
  env: NodeJS.ProcessEnv,
): Promise<GrantFindings> {
  const found: GrantFindings = { problems: [], warnings: [] }
  const offerTo = await loadOffers()
  for (const token of tokens) {
    if (token.policy.kind !== 'playbooks') continue
    const offered = offerTo(token.policy, config, env)
    const place = { file: token.file ?? config.file, key: `tokens.${token.name}.playbooks` }
    if (typeof offered === 'string') {
      const reason = `what the playbooks want cannot be looked at: ${offered}`
      found.warnings.push({ ...place, reason })
      continue
    }
    for (const { name, pinned = {} } of token.policy.playbooks) {
      const playbook = offered.find(each => each.name === name)
      if (playbook === undefined) continue
      const installed = findInstalled(name, config)
      const { problems, warnings } = await lookAtGrant(playbook, pinned, installed)
      found.problems.push(...problems.map(problem => ({ ...place, ...problem })))
      found.warnings.push(...warnings.map(doubt => ({ ...place, ...doubt })))
    }
  }
  return found
}

type Finding = Pick<Problem, 'reason' | 'hint'>

async function lookAtGrant(
  playbook: Offered,
  pinned: Readonly<Record<string, unknown>>,
  installed: Installed | null,
): Promise<{ problems: Finding[]; warnings: Finding[] }> {
  const { name, problem } = playbook
  if (problem === BROKEN) {
    const hint = `hostops validate ${installed?.file ?? name}`
    return { problems: [{ reason: `${name} has mistakes: no run of it can begin`, hint }], warnings: [] }
  }
  if (problem !== null) return { problems: [], warnings: [] }
  // With the YAML parser, which only those need who have such tokens.
  const { bindsRefs, unguarded } = await import('./guarded.ts')
  const text = installed?.text.toString() ?? ''
  const open = unguarded(text, pinned)
  const hint = `hostops show ${name}   lists its inputs: pin the inputs named above (ref, allowPowers, image, statePath), or give git.checkout refs: or a compose.guard before it`
  const unable = open === null ? [] : [{ reason: `no run of ${name} can begin: ${open}`, hint }]
  return {
    problems: [...unknownPins(playbook, pinned), ...unable],
    warnings: freeInputs(playbook, bindsRefs(text, pinned)),
  }
}

function unknownPins({ name, inputs }: Offered, pinned: Readonly<Record<string, unknown>>): Finding[] {
  const known = inputs.map(input => input.name)
  return Object.keys(pinned)
    .filter(key => !known.includes(key))
    .map(key => {
      const guess = nearest(key, known)
      return {
        reason: `${name} has no input ${key}, so that every run of it is refused`,
        hint: guess === undefined ? `it has ${known.join(', ')}` : `did you mean ${guess}?`,
      }
    })
}

const freeInputs = ({ name, inputs }: Offered, isRefBound: boolean): Finding[] =>
  inputs.flatMap(input => {
    const isBound =
      input['from'] === 'pinned' || input['pattern'] !== undefined || input['oneOf'] !== undefined
    const danger = isBound || (isRefBound && input.type === 'ref') ? undefined : DANGERS[input.type]
    if (danger === undefined) return []
    return [
      {
        reason: `the caller chooses ${input.name} of ${name}: ${danger}`,
        hint: `fix it: pinned: { ${input.name}: ... }${input.type === 'ref' ? ', a pattern for the input, or refs: or verify: signature in git.checkout' : ''}`,
      },
    ]
  })

/** Of a free input, by its type. */
const DANGERS: Readonly<Record<string, string>> = {
  path: 'a folder that it can write to may hold a compose file, or a git checkout, that gives it the whole host',
  ref: 'any commit that a branch or tag of the remote holds decides what is built and started as root',
  url: 'the host asks there, also on its own network, and the answer decides whether the run was good',
}
