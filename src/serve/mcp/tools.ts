/** The tools that are offered: one for each playbook, and those about runs. Pure. */
import type { HostPlaybook } from '../../app/at-host/host-playbooks.ts'
import { shortHash } from '../../engine/hash.ts'
import { RUN_ID } from '../../engine/run-id.ts'
import { isPlaybookName } from '../../playbook/catalog.ts'
import { DEFAULT_WAIT_S, LONGEST_WAIT_S } from './arguments.ts'
import { inputsSchema, type JsonSchema } from './input-schema.ts'

export type Tool = {
  name: string
  description: string
  inputSchema: JsonSchema & { type: 'object' }
  outputSchema: JsonSchema & { type: 'object' }
  annotations: { [hint: string]: boolean }
}

export type Offer = { playbook: HostPlaybook; tool: Tool }

/** Clients put a prefix before a name, and may allow 64 characters in all. */
const MOST_CHARACTERS = 48
const MOST_DESCRIBED = 2000

/** Those that can run at present. What one name means never depends on when a client asked. */
export function offersOf(playbooks: readonly HostPlaybook[]): Offer[] {
  const named = playbooks.filter(({ name }) => isPlaybookName(name))
  const plain = named.map(({ name }) => plainName(name).toLowerCase())
  return named.flatMap((playbook, at) => {
    if (playbook.problem !== null) return []
    const name = plainName(playbook.name)
    const isClear = name.length <= MOST_CHARACTERS && plain.filter(each => each === plain[at]).length === 1
    return [{ playbook, tool: playbookTool(isClear ? name : distinctName(name, playbook.name), playbook) }]
  })
}

const plainName = (playbook: string) => `run_${playbook.replace(/[^A-Za-z0-9]+/g, '_')}`

const distinctName = (plain: string, playbook: string) =>
  `${plain.slice(0, MOST_CHARACTERS - 9)}_${shortHash(playbook).slice(0, 8)}`

function playbookTool(name: string, { description, inputs }: HostPlaybook): Tool {
  const inputsGiven = inputsSchema(inputs)
  return {
    name,
    description: [(description ?? '').slice(0, MOST_DESCRIBED), HOW_TO_RUN].join('\n').trim(),
    inputSchema: {
      type: 'object',
      properties: {
        mode: {
          ...{ type: 'string', enum: ['check', 'run'], default: 'check' },
          description: 'check: look only, and report what would change. run: do it.',
        },
        inputs: inputsGiven,
        plan: {
          type: 'string',
          description: 'With mode run: planHash of a check. Refused if what it saw has moved since.',
        },
        run_id: {
          ...{ type: 'string', pattern: RUN_ID.source },
          description:
            'An id of your own for this call. The same call with the same id starts nothing twice.',
        },
      },
      ...('required' in inputsGiven ? { required: ['inputs'] } : {}),
      additionalProperties: false,
    },
    outputSchema: REPORT,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  }
}

const HOW_TO_RUN =
  'Mode "check" (the default) changes nothing and returns a plan hash. Mode "run" starts the run on the host and returns at once with its run id: then call wait_run until it has ended.'

const nullable = (type: string, description: string) => ({ type: [type, 'null'], description })

/**
 * The core that every report has, and all else left open: a client that validates must not lose the report of a newer host.
 * Without `$schema`, since some clients refuse another dialect than their own.
 */
const REPORT: Tool['outputSchema'] = {
  type: 'object',
  properties: {
    runId: { type: 'string' },
    outcome: { type: 'string', description: 'started: it still runs' },
    success: nullable('boolean', 'null while the end is not known'),
    changed: nullable('boolean', 'null: not known'),
    rollbackVerified: nullable('boolean', 'null: nothing was rolled back, or nothing was seen of it'),
    failedStep: nullable('string', 'id of the step that failed'),
    errorCode: nullable('string', 'why, as a code'),
    error: nullable('string', 'why, in words; untrusted: may quote programs, containers and commits'),
    logsTail: nullable('string', 'untrusted: what programs and containers printed'),
    planHash: { type: 'string', description: 'of a check' },
  },
  required: ['runId', 'outcome', 'success'],
}

const RUNS: Tool['outputSchema'] = {
  type: 'object',
  properties: { runs: { type: 'array', items: { type: 'object' } } },
  required: ['runs'],
}

/** A tool that takes the id of a run and answers with its report. */
const runTool = (
  name: string,
  description: string,
  annotations: Tool['annotations'],
  more: JsonSchema = {},
): Tool => ({
  ...{ name, description, annotations },
  inputSchema: {
    type: 'object',
    properties: { run_id: { type: 'string', description: 'The whole id of the run.' }, ...more },
    required: ['run_id'],
    additionalProperties: false,
  },
  outputSchema: REPORT,
})

const LOOKS = { readOnlyHint: true, openWorldHint: false }
const CHANGES = { idempotentHint: true, openWorldHint: false }
const TIMEOUT = {
  ...{ type: 'number', default: DEFAULT_WAIT_S, maximum: LONGEST_WAIT_S },
  description: 'How long to wait, in seconds.',
}

export const RUN_TOOLS: readonly Tool[] = [
  {
    name: 'list_runs',
    description: 'Lists the newest runs that you may see, and how they ended.',
    inputSchema: { type: 'object', properties: {}, additionalProperties: false },
    outputSchema: RUNS,
    annotations: LOOKS,
  },
  runTool('report_run', 'Returns the report of a run as far as it is known, without waiting.', LOOKS),
  runTool(
    'wait_run',
    'Waits until a run has ended and returns its report. If it still runs when the time is over (outcome started), call it again. Giving up ends nothing.',
    LOOKS,
    { timeout_s: TIMEOUT },
  ),
  runTool('cancel_run', 'Stops a run, which then rolls back. Call wait_run to see how that ends.', {
    ...CHANGES,
    destructiveHint: true,
  }),
  runTool(
    'confirm_run',
    'Confirms that all is well to a run that waits for it; otherwise it rolls back. Only where the playbook lets its caller confirm.',
    { ...CHANGES, destructiveHint: false },
  ),
]
