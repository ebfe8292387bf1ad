/** What the playbook lists under `env`, and of that only what is set here. */
import type { Playbook } from '../playbook/playbook.ts'
import type { Io } from './io.ts'

export const environment = (playbook: Playbook, io: Io): { [name: string]: string } =>
  Object.fromEntries(playbook.env.flatMap(name => (io.env[name] === undefined ? [] : [[name, io.env[name]]])))
