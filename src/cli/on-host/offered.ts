/** `hostops list` and `hostops show` of a host: the playbooks that it lets this token run, and what they want. */
import * as z from 'zod'
import type { Failure } from '../../failure.ts'
import type { DescribedInput, ValueOrigin } from '../../playbook/describe.ts'
import { INPUT_NAME } from '../../playbook/schema.ts'
import { once } from '../../steps/contract/once.ts'
import { jsonLine, printable } from '../../ui/printable.ts'
import { inputRows, printableLines } from '../commands/show.ts'
import { EXIT_OK, EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { wordedError } from '../print-failure.ts'
import { table } from '../table.ts'
import { type AtHost, no, withHost } from './asked.ts'
import { type Asked, type Host, patiently } from './host.ts'
import { openHost } from './open-host.ts'

type Playbook = {
  name: string
  description: string | null
  inputs: DescribedInput[]
  /** Why nobody can start it as things are. */
  problem: string | null
}

/** Nothing that a host says is believed to be what it should be; the names of inputs are typed by people. */
const playbookSchema = once(() =>
  z.looseObject({
    name: z.string(),
    description: z.string().nullable(),
    inputs: z.array(
      z.looseObject({
        name: z.string().regex(INPUT_NAME),
        type: z.string(),
        description: z.string().nullable(),
        from: z.enum(ORIGINS),
        pattern: z.string().optional(),
        value: scalar(),
        oneOf: z.array(scalar()).optional(),
      }),
    ),
    problem: z.string().nullable(),
  }),
)
const ORIGINS: readonly ValueOrigin[] = ['pinned', 'settings', 'default', 'none', 'caller']
const scalar = () => z.union([z.string(), z.number(), z.boolean(), z.null()])

export const listAt = (options: AtHost & { json?: boolean }, io: Io): Promise<number> =>
  withHost(options, io, async host => {
    const asked = await playbooksOf(host)
    if (!asked.ok) return no(asked, io)
    const { playbooks } = asked
    if (options.json) io.stdout.write(`${jsonLine(playbooks)}\n`)
    else if (playbooks.length === 0)
      io.stderr.write(`no playbook that this token may run at ${host.target}\n`)
    else io.stdout.write(table([['name', 'description'], ...playbooks.map(row)]))
    return EXIT_OK
  })

export const showAt = (name: string, options: AtHost & { json?: boolean }, io: Io): Promise<number> =>
  withHost(options, io, async host => {
    const asked = await playbooksOf(host)
    if (!asked.ok) return no(asked, io)
    const playbook = asked.playbooks.find(each => each.name === name)
    if (playbook === undefined) {
      const problem = `no playbook "${name}" that this token may run at ${host.target}`
      const hint = `hostops list --target ${host.target}   shows those that there are`
      io.stderr.write(wordedError({ code: 'usage', problem, hint }))
      return EXIT_USAGE
    }
    io.stdout.write(options.json ? `${jsonLine(playbook)}\n` : asText(playbook, host.target))
    return EXIT_OK
  })

export async function playbooksAt(target: string, state: string, io: Io): Promise<Playbook[] | Failure> {
  const opened = await openHost(target, state, io)
  if (!opened.ok) return opened.failure
  try {
    const asked = await playbooksOf(opened.host)
    return asked.ok ? asked.playbooks : asked.failure
  } finally {
    opened.host.close()
  }
}

async function playbooksOf(
  host: Host,
): Promise<{ ok: true; playbooks: Playbook[] } | (Asked & { ok: false })> {
  const asked = await patiently(() => host.ask('playbooks', {}))
  if (!asked.ok) return asked
  const read = z.array(playbookSchema()).safeParse(asked.value.playbooks)
  if (read.success) return { ok: true, playbooks: read.data as Playbook[] }
  const problem = `what ${host.target} tells of its playbooks cannot be read`
  return { ok: false, failure: { code: 'usage', problem }, missing: false, again: false, unable: false }
}

const row = ({ name, description, problem }: Playbook): string[] => [
  name,
  problem === null ? firstLine(description ?? '') : `cannot run: ${problem}`,
]

function asText({ name, description, inputs, problem }: Playbook, target: string): string {
  const given = inputs.filter(({ from }) => from === 'caller').map(input => ` -i ${input.name}=...`)
  return [
    `${printable(name)}\n`,
    description === null ? '' : printableLines(description),
    problem === null ? '' : `\ncannot run: ${printable(problem)}\n`,
    inputs.length === 0 ? '' : `\ninputs\n${table(inputRows(inputs), '  ')}`,
    problem === null
      ? `\nhostops run ${printable(name)}${given.join('')} --target ${target} --on-host\n`
      : '',
  ].join('')
}

const firstLine = (text: string): string => text.trim().split('\n')[0] ?? ''
