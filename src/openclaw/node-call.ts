/** One call on a node through its gateway. */
import { randomUUID } from 'node:crypto'
import type { Gateway, GatewayAnswer } from './gateway.ts'
import type { NodePlace } from './node-place.ts'

export type FoundNode = NodePlace & { nodeId: string }

/** How long the launcher may take. It waits for no longer than half of that itself. */
export const ANSWER_MS = 60_000
/** The command is stopped before the node gives up, and that gives up before the gateway does. */
const MARGIN_MS = 10_000

/** For whom the exec approvals of the node have rules. */
export const callerOn = ({ agent }: NodePlace) => ({ agentId: agent, sessionKey: `agent:${agent}:main` })

export const runOnNode = (
  gateway: Gateway,
  node: FoundNode,
  params: object,
  signal?: AbortSignal,
): Promise<GatewayAnswer> => {
  const limits = { timeoutMs: ANSWER_MS, suppressNotifyOnExit: true }
  return invoke(gateway, node, 'system.run', { ...callerOn(node), ...params, ...limits }, signal)
}

/** Sent once: a gateway that gets the same request twice has it run twice, whatever its key. */
export const invoke = (
  gateway: Gateway,
  { nodeId }: FoundNode,
  command: string,
  params: object,
  signal?: AbortSignal,
): Promise<GatewayAnswer> => {
  const timeoutMs = ANSWER_MS + MARGIN_MS
  const request = { nodeId, command, params, timeoutMs, idempotencyKey: randomUUID() }
  return gateway.request('node.invoke', request, { timeoutMs: timeoutMs + MARGIN_MS, signal })
}
