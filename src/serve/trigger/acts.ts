/** The commands of hostops-trigger: first what is wrong with them, then what they do at the host. */
import { endedHere } from '../../app/at-host/ended-at-host.ts'
import { playbooksOf } from '../../app/at-host/host-playbooks.ts'
import { startDetached } from '../../app/at-host/start-detached.ts'
import { wrongOption } from '../../app/start-options.ts'
import { parseDuration } from '../../duration.ts'
import { isRunId } from '../../engine/run-id.ts'
import { Failed } from '../../failure.ts'
import { EXIT_OK } from '../../report/exit-code.ts'
import type { ReportHead } from '../../report/report-draft.ts'
import { unknownEnd } from '../../report/unknown-report.ts'
import { type HostLink, HostRefusal, noReply } from '../../runs/host-link.ts'
import type { Runs } from '../../runs/runs.ts'
import { runsAt } from '../../runs/runs-at.ts'
import { answerAsked } from './ask.ts'
import { printLogs } from './logs.ts'
import type { TriggerCall } from './parse-args.ts'
import { printEnd, printJson, type TriggerIo } from './print.ts'
import { askedRequest, MOST_WAIT_MS, startRequest } from './requests.ts'

export type Act = {
  /** How long it may wait, apart from what the host needs to answer. */
  withinMs: number
  work(host: HostLink, io: TriggerIo): Promise<number>
}

type MakeAct = (call: TriggerCall, head: ReportHead) => Act

/** The rest of the 30 s once the host has started it. */
const CHECK_MS = 15_000
const DEFAULT_TAIL = '200'

/** Each throws `Failed` for what is wrong with its words before anything is contacted. */
export const ACTS: Record<TriggerCall['command'], MakeAct> = {
  run: start,
  check: start,
  list: () => act(list),
  show: ({ words: [name] }) => act((host, io) => show(name, host, io)),
  wait: ({ words: [given], options: { timeout = '20s' } }) => {
    const withinMs = parseDuration(timeout)
    if (withinMs === null) throw new Failed(wrongOption('--timeout', 'duration'))
    return actOn(given, (runs, runId, io) => wait(runs, runId, withinMs, io), withinMs)
  },
  report: ({ words: [given] }) =>
    actOn(given, async (runs, runId, io) => printEnd(await runs.report(runId), io)),
  logs: ({ words: [given], options: { step, tail = DEFAULT_TAIL } }) => {
    if (!/^[1-9][0-9]{0,5}$/.test(tail)) throw new Failed(wrongOption('--tail', 'count'))
    return actOn(given, (runs, runId, io) => printLogs(runs, runId, { step, tail: Number(tail) }, io))
  },
  confirm: ({ words: [given] }) => change(given, (runs, runId) => runs.confirm(runId)),
  cancel: ({ words: [given] }) => change(given, (runs, runId) => runs.cancel(runId, 'TERM')),
  ask: ({ words: [action, json] }) => {
    const request = askedRequest(action, json)
    return act((host, io) => answerAsked(request, host, io))
  },
}

const act = (work: Act['work'], withinMs = MOST_WAIT_MS): Act => ({ withinMs, work })

const actOn = (
  given: string,
  work: (runs: Runs, runId: string, io: TriggerIo) => Promise<number>,
  withinMs?: number,
): Act =>
  act(async (host, io) => {
    const runs = runsAt(host)
    return work(runs, await runs.find(given), io)
  }, withinMs)

/** Exits 0 once it was done, however the run may end. */
const change = (given: string, work: (runs: Runs, runId: string) => Promise<unknown>): Act =>
  actOn(given, async (runs, runId, io) => {
    await work(runs, runId)
    printEnd(await runs.report(runId).catch(afterwards), io)
    return EXIT_OK
  })

/** That the report is refused does not mean that nothing was done. */
function afterwards(error: unknown): never {
  throw error instanceof Failed ? new HostRefusal(noReply(error.failure, { again: true })) : error
}

function start({ command, words: [name], options }: TriggerCall, head: ReportHead): Act {
  const { 'run-id': runId, input = [], plan } = options
  if (runId !== undefined && !isRunId(runId)) throw new Failed(wrongOption('--run-id', 'run-id'))
  const check = command === 'check' ? true : undefined
  const fields = startRequest({ name, runId: head.runId, input, check, plan })
  return act(async (host, io) => {
    const end = await startDetached(host, fields, () => {})
    if (!('outcome' in end)) return printEnd(end.told, io)
    // A check is over soon; its plan is what was asked for.
    const isChecking = check && end.outcome === 'started'
    const checked = isChecking ? await runsAt(host).wait(head.runId, CHECK_MS) : null
    return printEnd(checked ?? endedHere(end, head).ended, io)
  })
}

async function list(host: HostLink, io: TriggerIo): Promise<number> {
  const playbooks = await playbooksOf(host)
  const rows = playbooks.map(({ name, description, problem }) => ({ name, description, problem }))
  return printJson(rows, io)
}

async function show(name: string, host: HostLink, io: TriggerIo): Promise<number> {
  const playbook = (await playbooksOf(host)).find(each => each.name === name)
  if (playbook !== undefined) return printJson(playbook, io)
  throw new Failed({ code: 'usage', what: 'no-playbook-at', name, target: host.target })
}

async function wait(runs: Runs, runId: string, withinMs: number, io: TriggerIo): Promise<number> {
  const ended = await runs.wait(runId, withinMs)
  if (ended !== null) return printEnd(ended, io)
  const { report, failure } = await runs.report(runId)
  return printEnd(unknownEnd(report, failure ?? { code: 'has-a-runner', runId, pid: null }), io)
}
