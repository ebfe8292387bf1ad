/** What several commands take alike: their options, their arguments, and the way their end is told. */
import { type Command, Option } from 'commander'
import type { Io } from '../terminal/io.ts'

/** Adds a group of commands; `done` is told the exit code of the one that was called. */
export type AddCommands = (program: Command, io: Io, done: (code: number) => void) => void

/** What commands about a run take: it may be on a host, and the settings may name the state folder. */
export type OfRun = { config?: string; target?: string }

export const RUN_ARGUMENT = ['<run>', 'a run id, the beginning of one, or "last"'] as const
export const PLAYBOOK_ARGUMENT = ['<playbook>', 'a file, or a name that hostops list shows'] as const

export const targetOption = () =>
  new Option('-t, --target <target>', 'local, hostlink, hostlink:NAME, ssh:DESTINATION, node:NAME')
export const hostOption = () =>
  new Option('-t, --target <target>', 'of a run on a host: hostlink, hostlink:NAME, node:NAME')
export const stateConfigOption = () =>
  new Option('--config <file>', 'settings (they may name the state folder)')
export const playbooksOption = () =>
  new Option('--playbooks <dir>', 'where named playbooks are looked for first')
export const outputOption = () =>
  new Option('--output <form>', 'what is written to stderr')
    .choices(['auto', 'tree', 'lines', 'json'])
    .default('auto')
export const quietOption = () => new Option('-q, --quiet', 'nothing on stderr but what went wrong')
/** Set by who started this process so that it outlives every client: only there `confirm` can be waited for. */
export const asHostOption = () => new Option('--as-host').hideHelp()

/** For whom that process is, and where they call from. */
export const callerOption = () => new Option('--caller <json>').hideHelp()

export const collect = (value: string, all: string[] = []) => [...all, value]
