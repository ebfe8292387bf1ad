/** The command line of hostops-trigger. Pure. No message repeats a value: it may be a secret. */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { nearest } from '../../document/nearest.ts'
import { commandMistake, type Failed } from '../../failure.ts'

const text = { type: 'string' } as const
const START = { input: { ...text, short: 'i', multiple: true }, 'run-id': text } as const

const COMMANDS = {
  run: { words: ['NAME'], options: { ...START, plan: text } },
  check: { words: ['NAME'], options: START },
  list: { words: [], options: {} },
  show: { words: ['NAME'], options: {} },
  wait: { words: ['RUN'], options: { timeout: text } },
  report: { words: ['RUN'], options: {} },
  logs: { words: ['RUN'], options: { step: text, tail: text } },
  confirm: { words: ['RUN'], options: {} },
  cancel: { words: ['RUN'], options: {} },
  ask: { words: ['ACTION', 'JSON'], options: {} },
} as const satisfies Record<
  string,
  { words: readonly string[]; options: NonNullable<ParseArgsConfig['options']> }
>

type CommandName = keyof typeof COMMANDS

export type TriggerCall = {
  command: CommandName
  /** The words in place of NAME, RUN or ACTION JSON in the usage. */
  words: [string, string]
  options: {
    input?: string[]
    'run-id'?: string
    plan?: string
    timeout?: string
    step?: string
    tail?: string
  }
}

/** Throws `Failed` for anything that is not one of the commands with its own options. */
export function parseTriggerArgs([name = '', ...rest]: readonly string[]): TriggerCall {
  const command = Object.keys(COMMANDS).find(each => each === name) as CommandName | undefined
  if (command === undefined) {
    const near = nearest(name, Object.keys(COMMANDS))
    throw misused('unknown command', near === undefined ? 'hostops-trigger --help' : `did you mean ${near}?`)
  }
  const { words, options } = COMMANDS[command]
  const parsed = parsedArgs(rest, options)
  if (parsed.positionals.length !== words.length)
    throw misused(`${command} takes ${words.join(' and ') || 'no further word'}`)
  const [first = '', second = ''] = parsed.positionals
  return { command, words: [first, second], options: parsed.values as TriggerCall['options'] }
}

function parsedArgs(args: string[], options: NonNullable<ParseArgsConfig['options']>) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    // Node's first sentence names the option as it was written, without its value.
    const [sentence = ''] = (error as Error).message.split(/\.\s/)
    throw misused(sentence.replace(/^(Option|Unknown)/, word => word.toLowerCase()))
  }
}

export const misused = (problem: string, hint = 'hostops-trigger --help'): Failed =>
  commandMistake(problem, hint)

export const TRIGGER_USAGE = `usage: hostops-trigger run NAME [-i KEY=VALUE]... [--run-id ID] [--plan HASH]
       hostops-trigger check NAME [-i KEY=VALUE]... [--run-id ID]
       hostops-trigger wait RUN [--timeout 20s]
       hostops-trigger list | show NAME | report RUN | confirm RUN | cancel RUN
       hostops-trigger logs RUN [--step ID] [--tail LINES]
       hostops-trigger ask ACTION JSON

Starts named playbooks of this host, and nothing else: it reads no file, and a value that begins with @
is text. "run" returns at once; repeat "wait RUN --timeout 20s" until its exit code is not 6.
stdout carries the result: one line OPENCLAW_RESULT_JSON:{...}, or the JSON or text that was asked for.

It asks hostlinkd with the token in HOSTLINK_TOKEN_FILE, at HOSTLINK_SOCKET or the HOSTLINK_TARGET of
/etc/hostlink/targets.conf, and reads no other variable.
`
