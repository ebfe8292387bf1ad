/**
 * hostops-trigger: what one allowlists for an agent. It starts the host's own named playbooks through hostlinkd, follows
 * what became of them, and can do nothing else.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { endedHere, endOfError } from '../../app/at-host/ended-at-host.ts'
import { openLinkedHost } from '../../app/at-host/open-linked-host.ts'
import { withHost } from '../../app/at-host/with-host.ts'
import { clock } from '../../app/clock.ts'
import { VERSION } from '../../build/version.ts'
import { MAX_DURATION_MS } from '../../duration.ts'
import { isRunId, newRunId, RUN_ID } from '../../engine/run-id.ts'
import { Failed } from '../../failure.ts'
import type { Env } from '../../process/surroundings.ts'
import { EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE } from '../../report/exit-code.ts'
import type { ReportHead } from '../../report/report-draft.ts'
import { blankReport, unknownEnd } from '../../report/unknown-report.ts'
import { HostRefusal, noReply } from '../../runs/host-link.ts'
import { isSilence, refusalCode } from '../../runs/refusal-code.ts'
import { ACTS, type Act } from './acts.ts'
import { parseTriggerArgs, TRIGGER_USAGE } from './parse-args.ts'
import { printEnd, printError, printJson, type TriggerIo } from './print.ts'

/** Everything else in the caller's environment is passed over. */
const TRIGGER_ENV = ['HOSTLINK_SOCKET', 'HOSTLINK_TOKEN_FILE', 'HOSTLINK_TARGET'] as const
const TARGET = 'hostlink'
/** Beyond what a command waits for: the caller may end this process after 30 s, and is to have an answer by then. */
const PATIENCE_MS = 5000
const LATE = Symbol('no answer in time')

export async function trigger(args: readonly string[], env: Env, io: TriggerIo): Promise<number> {
  const [command = ''] = args
  if (/^(-h|--help|help)$/.test(command)) return print(io, TRIGGER_USAGE)
  if (/^(-V|--version)$/.test(command)) return print(io, `hostops-trigger ${VERSION}\n`)
  const head: ReportHead = {
    runId: newRunId(clock.now()),
    playbook: null,
    target: TARGET,
    dryRun: command === 'check',
    startedAt: clock.now(),
  }
  try {
    const call = parseTriggerArgs(args)
    const [word] = call.words
    const isStart = command === 'run' || command === 'check'
    // Names have the form of ids. Any other word may be a value whose -i was forgotten.
    if (isStart && RUN_ID.test(word)) head.playbook = word
    const runId = isStart ? call.options['run-id'] : word
    if (runId !== undefined && isRunId(runId)) head.runId = runId
    return await carryOut(ACTS[call.command](call, head), env, io)
  } catch (error) {
    return refuse(command, error instanceof Failed ? error : faultIn(error), head, io)
  }
}

/** A caller that parses the last line is to find one also then, and what the host has done by now is not known. */
function faultIn(error: unknown): HostRefusal {
  const problem = error instanceof Error ? error.message : String(error)
  return new HostRefusal(noReply({ code: 'internal', problem }, { again: true }))
}

const print = (io: TriggerIo, text: string): number => {
  io.out(text)
  return EXIT_OK
}

async function carryOut({ withinMs, work }: Act, env: Env, io: TriggerIo): Promise<number> {
  const known = Object.fromEntries(TRIGGER_ENV.map(name => [name, env[name]]))
  const answerMs = Math.min(withinMs + PATIENCE_MS, MAX_DURATION_MS)
  const worked = async () => withHost(await openLinkedHost(TARGET, known), host => work(host, io))
  const code = await Promise.race([worked(), sleep(answerMs, LATE)])
  if (code !== LATE) return code
  const reason = `no answer within ${answerMs / 1000} s`
  throw new HostRefusal(noReply({ code: 'unreachable', target: TARGET, reason }, { again: true }))
}

/** A run's line says what became of what was asked for. Nothing else prints a line that could be taken for that. */
function refuse(command: string, error: Failed, head: ReportHead, io: TriggerIo): number {
  const { failure } = error
  switch (command) {
    case 'run':
    case 'check':
    case 'confirm':
    case 'cancel':
      return printEnd(endedHere(endOfError(error), head).ended, io)
    case 'ask':
      if (error instanceof HostRefusal) return printJson(error.reply, io, EXIT_UNREACHABLE)
      return printJson(noReply(failure), io, EXIT_USAGE)
    case 'wait':
    case 'report':
      // A caller that parses the line learns that the end is not known, not that nothing was changed.
      if (isSilence(error)) return printEnd(unknownEnd(blankReport(head), failure), io)
  }
  printError(failure, io)
  return refusalCode(error)
}
