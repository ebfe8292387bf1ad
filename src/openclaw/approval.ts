/** Asks the operators of a gateway to approve one call on a node, and waits. hostops never answers such a request itself. */
import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import type { Failure } from '../failure.ts'
import { type NoReply, noReply } from '../runs/host-link.ts'
import { once } from '../steps/contract/once.ts'
import type { Gateway, GatewayAnswer } from './gateway.ts'
import { type NodeRequest, replyIn } from './node-answer.ts'
import { ANSWER_MS, callerOn, type FoundNode, invoke } from './node-call.ts'

export type ApprovalWait = {
  waitMs: number
  /** Called once the operators have been asked. */
  onRequest(request: { id: string; command: string }): void
}

type Call = { node: FoundNode; argv: readonly string[]; asked: NodeRequest }
type Why = Extract<Failure, { code: 'approval-needed' }>['why']

/** Parameters of `system.run` that run it once, or why it may not. */
export async function approvedCall(
  gateway: Gateway,
  { node, argv, asked }: Call,
  { waitMs, onRequest }: ApprovalWait,
  signal: AbortSignal | undefined,
): Promise<object | NoReply> {
  const caller = callerOn(node)
  const prepared = await invoke(gateway, node, 'system.run.prepare', { ...caller, command: argv }, signal)
  const plan = preparedSchema().safeParse(answered(prepared)).data?.payload.plan
  if (plan === undefined) return refusedOr(prepared, asked)
  const { argv: command, cwd, commandText = asked.command } = plan
  const id = randomUUID()
  const refused = (why: Why) =>
    noReply({ ...{ code: 'approval-needed', target: node.target, why }, command: commandText, id })
  const request = {
    ...{ id, host: 'node', nodeId: node.nodeId, ...caller, timeoutMs: waitMs, twoPhase: true },
    ...{ command: commandText, commandArgv: command, systemRunPlan: plan, ...(cwd ? { cwd } : {}) },
  }
  const asking = await gateway.request('exec.approval.request', request, { timeoutMs: ANSWER_MS, signal })
  if (asking.kind !== 'answer') return refusedOr(asking, asked)
  if (requestedSchema().safeParse(asking.payload).data?.status !== 'accepted') return refused('no-route')
  onRequest({ id, command: commandText })
  const waited = await gateway.request(
    'exec.approval.waitDecision',
    { id },
    { timeoutMs: waitMs + ANSWER_MS, signal },
  )
  // The caller leaves; the gateway takes no approval for a connection that is gone.
  if (signal?.aborted) return refused('not-asked')
  const decision = decisionSchema().safeParse(answered(waited)).data?.decision
  if (decision === undefined) return waited.kind === 'answer' ? refused('timeout') : refusedOr(waited, asked)
  if (decision === null) return refused('timeout')
  if (decision === 'deny') return refused('user')
  return {
    ...{ command, ...(cwd ? { cwd } : {}), systemRunPlan: plan },
    ...{ runId: id, approved: true, approvalDecision: decision },
  }
}

const answered = (answer: GatewayAnswer): unknown => (answer.kind === 'answer' ? answer.payload : null)

/** Nothing has been started yet, whatever became of the question. */
function refusedOr(answer: GatewayAnswer, asked: NodeRequest): NoReply {
  const reply = replyIn(answer, { ...asked, repeats: true })
  const { target } = asked.place
  const failure: Failure = reply.ok
    ? { ...{ code: 'usage', what: 'unreadable-answer' }, from: target, of: 'an approval' }
    : reply.failure
  return noReply(failure)
}

const preparedSchema = once(() =>
  z.object({
    payload: z.object({
      plan: z.looseObject({
        argv: z.array(z.string()).min(1),
        cwd: z.string().nullish(),
        commandText: z.string().optional(),
      }),
    }),
  }),
)
const requestedSchema = once(() => z.object({ status: z.string().optional() }))
const decisionSchema = once(() =>
  z.object({ decision: z.enum(['allow-once', 'allow-always', 'deny']).nullable() }),
)
