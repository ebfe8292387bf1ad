import type { HostPlaybook } from '../../app/at-host/host-playbooks.ts'
import { renderDiagnostics } from '../../document/print-diagnostics.ts'
import { printDuration } from '../../duration.ts'
import { Failed } from '../../failure.ts'
import { findPlaybook } from '../../playbook/catalog.ts'
import { type DescribedInput, describeInputs, writtenTemplate } from '../../playbook/describe.ts'
import { loadPlaybook } from '../../playbook/load.ts'
import type { Playbook } from '../../playbook/playbook.ts'
import type { Settings } from '../../playbook/settings.ts'
import { EXIT_OK, EXIT_USAGE } from '../../report/exit-code.ts'
import { kinds } from '../../steps/index.ts'
import { jsonLine, printable } from '../../wording/printable.ts'
import { readCatalogOptions } from '../open/catalog-options.ts'
import { withPlaybooksOf } from '../open/with-runs.ts'
import { wordedError } from '../print/print-failure.ts'
import { table } from '../print/table.ts'
import { colors } from '../terminal/colors.ts'
import type { Io } from '../terminal/io.ts'

export type ShowOptions = { json?: boolean; playbooks?: string; config?: string; target?: string }

/** What a caller must know to run a playbook, and where each value comes from that the caller does not give. */
export async function show(nameOrFile: string, options: ShowOptions, io: Io): Promise<number> {
  const { target } = options
  if (target !== undefined && target !== 'local') return showAt(nameOrFile, { ...options, target }, io)
  const catalog = readCatalogOptions(options, io)
  if (catalog === null) return EXIT_USAGE
  const found = findPlaybook(nameOrFile, catalog)
  if (!found.ok) {
    io.stderr.write(wordedError(found.failure))
    return EXIT_USAGE
  }
  const loaded = loadPlaybook(found.bytes, found.file, kinds)
  if (!loaded.ok) {
    io.stderr.write(renderDiagnostics(loaded.diagnostics, 'text', colors(io.stderr, io.env)))
    return EXIT_USAGE
  }
  const described = describe(loaded.playbook, catalog.settings)
  io.stdout.write(options.json ? `${jsonLine(described)}\n` : asText(described))
  return EXIT_OK
}

type Described = ReturnType<typeof describe>

function describe(playbook: Playbook, settings: Settings) {
  return {
    name: playbook.name,
    description: playbook.description ?? null,
    file: playbook.file,
    digest: playbook.digest,
    settings: settings.file,
    target: targetOf(playbook, settings),
    onFailure: writtenTemplate(playbook.onFailure),
    timeout: printDuration(playbook.timeoutMs),
    rollbackTimeout: printDuration(playbook.rollbackTimeoutMs),
    env: playbook.env,
    inputs: describeInputs(playbook, settings),
    steps: playbook.steps.map(({ id, name, kind }) => ({
      id,
      uses: kind.uses,
      summary: name ?? kind.summary,
    })),
  }
}

function targetOf(playbook: Playbook, settings: Settings) {
  if (playbook.target !== undefined) return { value: playbook.target, from: 'playbook' }
  if (settings.target !== undefined) return { value: settings.target, from: 'settings' }
  return { value: 'local', from: 'default' }
}

function asText(described: Described): string {
  const {
    name,
    description,
    file,
    target,
    settings,
    onFailure,
    timeout,
    rollbackTimeout,
    env,
    inputs,
    steps,
  } = described
  const facts = [
    ['file', file],
    ['target', `${target.value} (${target.from})`],
    ['on failure', `${onFailure}, at most ${rollbackTimeout}`],
    ['timeout', timeout],
    ...(settings === null ? [] : [['settings', settings]]),
    ...(env.length === 0 ? [] : [['reads', env.map(each => `$${each}`).join(' ')]]),
  ]
  return [
    `${name}\n`,
    description === null ? '' : printableLines(description),
    `\n${table(facts)}`,
    inputs.length === 0 ? '' : `\ninputs\n${table(inputRows(inputs), '  ')}`,
    `\nsteps\n${table(
      steps.map(step => [step.id, step.summary]),
      '  ',
    )}`,
  ].join('')
}

/** A description may be of several lines. */
const printableLines = (text: string): string => `${text.trim().split('\n').map(printable).join('\n')}\n`

const inputRows = (inputs: readonly DescribedInput[]): string[][] => inputs.map(inputRow)

function inputRow(input: DescribedInput): string[] {
  const rules = [
    input.oneOf === undefined ? '' : `one of ${input.oneOf.map(String).join(', ')}`,
    input.pattern === undefined ? '' : `matches ${input.pattern}`,
  ].filter(Boolean)
  return [
    input.name,
    input.type,
    valueText(input),
    [input.description ?? '', ...rules].filter(Boolean).join('; '),
  ]
}

function valueText({ from, value }: DescribedInput): string {
  if (from === 'caller') return 'required'
  if (from === 'none') return 'optional'
  return `${String(value)} (${from})`
}

const showAt = (name: string, options: ShowOptions & { target: string }, io: Io): Promise<number> =>
  withPlaybooksOf(options, io, playbooks => {
    const { target } = options
    const playbook = playbooks.find(each => each.name === name)
    if (playbook === undefined) throw new Failed({ code: 'usage', what: 'no-playbook-at', name, target })
    io.stdout.write(options.json ? `${jsonLine(playbook)}\n` : asTextAt(playbook, target))
    return EXIT_OK
  })

function asTextAt({ name, description, inputs, problem }: HostPlaybook, target: string): string {
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
