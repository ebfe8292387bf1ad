/** The playbooks of this machine, described as a host describes its own; and what the settings here add to those of a host. */
import { type CatalogOptions, listPlaybooks } from '../../playbook/catalog.ts'
import { describeInputs, ownValues, withValueFrom } from '../../playbook/describe.ts'
import type { Settings } from '../../playbook/settings.ts'
import { kinds } from '../../steps/index.ts'
import type { HostPlaybook } from './host-playbooks.ts'

/** `target`: the one that the playbook itself names. */
type PlaybookHere = HostPlaybook & { target: string | null }

export function playbooksHere(catalog: CatalogOptions & { settings: Settings }): PlaybookHere[] {
  return listPlaybooks(catalog, kinds).map(entry => {
    const { name, file } = entry
    const problem = `it has mistakes: hostops validate ${file}`
    if (!entry.ok) return { name, description: null, inputs: [], problem, target: null }
    const { description = null, target = null } = entry.playbook
    const inputs = describeInputs(entry.playbook, catalog.settings)
    return { name, description, inputs, problem: null, target }
  })
}

/** Values that are sent with a run of this playbook from here. */
export function withSettings(playbook: HostPlaybook, { inputs, pinned }: Settings): HostPlaybook {
  const { name } = playbook
  return {
    ...playbook,
    inputs: playbook.inputs.map(input => {
      if (input.from === 'pinned') return input
      const given = withValueFrom('settings', ownValues(inputs, name), input)
      return withValueFrom('pinned', ownValues(pinned, name), given)
    }),
  }
}
