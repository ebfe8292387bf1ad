/** The playbooks of this machine, described as a host describes its own; and what the settings here add to those of a host. */
import { type CatalogOptions, listPlaybooks } from '../../playbook/catalog.ts'
import { type DescribedInput, describeInputs } from '../../playbook/describe.ts'
import type { Settings } from '../../playbook/settings.ts'
import { kinds } from '../../steps/index.ts'
import type { HostPlaybook } from './host-playbooks.ts'

/** `target`: the one that the playbook itself names. */
export type PlaybookHere = HostPlaybook & { target: string | null }

export function playbooksHere(catalog: CatalogOptions & { settings: Settings }): PlaybookHere[] {
  return listPlaybooks(catalog, kinds).map(entry => {
    const { name, file } = entry
    const problem = `it has mistakes: hostops validate ${file}`
    if (!entry.ok) return { name, description: null, inputs: [], problem, target: null }
    const { description = null, target = null } = entry.playbook
    return {
      name,
      description,
      inputs: describeInputs(entry.playbook, catalog.settings),
      problem: null,
      target,
    }
  })
}

/** Values that are sent with a run of this playbook from here. */
export function withSettings(playbook: HostPlaybook, { inputs, pinned }: Settings): HostPlaybook {
  const { name } = playbook
  const valued = (input: DescribedInput, from: 'pinned' | 'settings', values: Settings['inputs']) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value === undefined || !Object.hasOwn(value, input.name) || input.from === 'pinned') return input
    return { ...input, from, value: input.type === 'secret' ? '***' : value[input.name]! }
  }
  return {
    ...playbook,
    inputs: playbook.inputs.map(input => valued(valued(input, 'settings', inputs), 'pinned', pinned)),
  }
}
