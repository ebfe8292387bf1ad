/** The variables that the playbook lists under `env`, if they are set here. */
import type { Playbook } from '../playbook/playbook.ts'
import type { Surroundings } from '../process/surroundings.ts'

export const environment = (playbook: Playbook, { env }: Surroundings): { [name: string]: string } =>
  Object.fromEntries(playbook.env.flatMap(name => (env[name] === undefined ? [] : [[name, env[name]]])))
