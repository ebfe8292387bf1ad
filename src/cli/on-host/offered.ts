/** `hostops list` and `hostops show` of a host: the playbooks that it lets this token run, and what they want. */
import type { Failure } from '../../failure.ts'
import type { DescribedInput } from '../../playbook/describe.ts'
import { printable } from '../../ui/printable.ts'
import { inputRows } from '../commands/show.ts'
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

export const listAt = (options: AtHost & { json?: boolean }, io: Io): Promise<number> =>
  withHost(options, io, async host => {
    const asked = await playbooksOf(host)
    if (!asked.ok) return no(asked, io)
    const { playbooks } = asked
    if (options.json) io.stdout.write(`${JSON.stringify(playbooks)}\n`)
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
    io.stdout.write(options.json ? `${JSON.stringify(playbook)}\n` : asText(playbook, host.target))
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
  return asked.ok ? { ok: true, playbooks: (asked.value.playbooks ?? []) as Playbook[] } : asked
}

const row = ({ name, description, problem }: Playbook): string[] => [
  printable(name),
  printable(problem === null ? firstLine(description ?? '') : `cannot run: ${problem}`),
]

function asText({ name, description, inputs, problem }: Playbook, target: string): string {
  const given = inputs.filter(({ from }) => from === 'caller').map(input => ` -i ${input.name}=...`)
  return [
    `${printable(name)}\n`,
    description === null ? '' : `${description.trim().split('\n').map(printable).join('\n')}\n`,
    problem === null ? '' : `\ncannot run: ${printable(problem)}\n`,
    inputs.length === 0
      ? ''
      : `\ninputs\n${table(
          inputRows(inputs).map(words => words.map(printable)),
          '  ',
        )}`,
    problem === null
      ? `\nhostops run ${printable(name)}${given.join('')} --target ${target} --on-host\n`
      : '',
  ].join('')
}

const firstLine = (text: string): string => text.trim().split('\n')[0] ?? ''
