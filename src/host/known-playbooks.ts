/** The playbooks of this host as a run would find them, described. */
import { existsSync } from 'node:fs'
import { listPlaybooks } from '../playbook/catalog.ts'
import { type DescribedInput, describeInputs } from '../playbook/describe.ts'
import { loadSettings } from '../playbook/settings.ts'
import { kinds } from '../steps/index.ts'

export type Known = {
  name: string
  file: string
  description: string | null
  inputs: DescribedInput[]
  isValid: boolean
}

/** `env`: what a run would get. A text: why they cannot be listed. */
export function knownPlaybooks(folder: string, env: Readonly<Record<string, string>>): Known[] | string {
  const place = { env, cwd: '/' }
  const loaded = loadSettings({ config: undefined, ...place })
  if (!loaded.ok) return `hostops does not tell its playbooks: ${loaded.file} has mistakes`
  const { settings } = loaded
  const playbooks = existsSync(folder) ? folder : undefined
  return listPlaybooks({ playbooks, settings, ...place }, kinds).map(entry => ({
    name: entry.name,
    file: entry.file,
    description: (entry.ok && entry.playbook.description) || null,
    inputs: entry.ok ? describeInputs(entry.playbook, settings) : [],
    isValid: entry.ok,
  }))
}
