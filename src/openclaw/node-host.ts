/**
 * Runs at an OpenClaw node: each request is one call of the launcher there, which prints its answer on one line. No run
 * is a child of such a call, so that no limit of OpenClaw ends one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { nearest } from '../document/nearest.ts'
import type { Failure } from '../failure.ts'
import { type HostLink, noReply, type Reply, withRetries } from '../runs/host-link.ts'
import { once } from '../steps/contract/once.ts'
import { posixQuote } from '../transport/quote.ts'
import { type ApprovalWait, approvedCall } from './approval.ts'
import { openDevice } from './device.ts'
import { connectGateway, type Gateway } from './gateway.ts'
import { type NodeRequest, notConnected, OFFLINE, replyIn } from './node-answer.ts'
import { type FoundNode, runOnNode } from './node-call.ts'
import { badTarget, isLoopback, type NodePlace } from './node-place.ts'

type NodeOptions = {
  /** The folder that keeps the identity of this hostops. */
  state: string
  /** How long a start may wait for an operator; null: it does not ask for one. */
  approval?: ApprovalWait | undefined
  signal?: AbortSignal | undefined
}

type OpenedNode = { ok: true; host: HostLink } | { ok: false; failure: Failure }

/** Actions that may be asked for twice. */
const READS = new Set(['list', 'playbooks', 'report', 'wait', 'events', 'journal', 'logs'])
/** Linux takes no longer word in a command. */
const LONGEST_WORD = 128 * 1024 - 1
const LIST_MS = 15_000
/** By then a start that was heard is known to its host. */
const LOOK_AFTER_MS = 2000

export async function openNode(place: NodePlace, options: NodeOptions): Promise<OpenedNode> {
  const { state, approval, signal } = options
  const scopes = [
    'operator.read',
    'operator.write',
    ...(approval === undefined ? [] : ['operator.approvals']),
  ]
  const device = isLoopback(place.gateway) ? null : openDevice(state)
  const connect = (ends?: AbortSignal) =>
    connectGateway({ url: place.gateway, token: place.token, scopes, device }, ends)
  const opened = await connect(signal)
  if (!opened.ok) return { ok: false, failure: notConnected(opened.answer, place) }
  const found = await findNode(opened.gateway, place, signal)
  if (typeof found !== 'string') {
    opened.gateway.close()
    return { ok: false, failure: found }
  }
  return { ok: true, host: nodeHost({ ...place, nodeId: found }, opened.gateway, connect, options) }
}

function nodeHost(
  node: FoundNode,
  first: Gateway,
  connect: (signal?: AbortSignal) => ReturnType<typeof connectGateway>,
  { approval, signal: leave }: NodeOptions,
): HostLink {
  let gateway = first
  let opening: ReturnType<typeof connectGateway> | null = null

  const reach = async (): Promise<Reply | null> => {
    if (gateway.isOpen()) return null
    opening ??= connect().finally(() => {
      opening = null
    })
    const opened = await opening
    if (!opened.ok) return noReply(notConnected(opened.answer, node), { again: true })
    gateway = opened.gateway
    return null
  }

  const ask: HostLink['ask'] = async (action, fields, signal) => {
    const argv = [node.trigger, 'ask', action, JSON.stringify(fields)]
    const asked: NodeRequest = {
      ...{ place: node, action, repeats: READS.has(action) },
      command: argv.map(posixQuote).join(' '),
    }
    if (Buffer.byteLength(argv[3]!) > LONGEST_WORD)
      return noReply({ ...{ code: 'command-not-started', why: 'too-large' }, argv, detail: 'its inputs' })
    const silence = await reach()
    if (silence !== null) return silence
    const reply = replyIn(await runOnNode(gateway, node, { command: argv }, signal), asked)
    if (reply.ok || action !== 'start') return reply
    if (reply.failure.code === 'approval-needed' && approval !== undefined) {
      const approved = await approvedCall(gateway, { node, argv, asked }, approval, leave)
      if ('ok' in approved) return approved
      return started(replyIn(await runOnNode(gateway, node, approved), asked), fields)
    }
    return started(reply, fields)
  }

  /** A start that nobody has answered is not sent again: the host is asked whether it knows the run. */
  const started = async (reply: Reply, fields: { run_id?: string }): Promise<Reply> => {
    if (reply.ok || reply.failure.code !== 'link-lost') return reply
    await sleep(LOOK_AFTER_MS)
    const seen = await withRetries(() => ask('wait', { run_id: fields.run_id, timeout_ms: 0 }))
    return seen.ok ? { ok: true, value: { ...seen.value, attached: false } } : reply
  }

  return { target: node.target, ask, close: () => gateway.close() }
}

const nodesSchema = once(() =>
  z.object({
    nodes: z.array(
      z.object({
        nodeId: z.string(),
        displayName: z.string().nullish(),
        connected: z.boolean().catch(false),
        commands: z.array(z.string()).catch([]),
      }),
    ),
  }),
)

/** Its id, or why nothing can be asked of it. */
async function findNode(
  gateway: Gateway,
  place: NodePlace,
  signal: AbortSignal | undefined,
): Promise<string | Failure> {
  const { target, name } = place
  const answer = await gateway.request('node.list', {}, { timeoutMs: LIST_MS, signal })
  if (answer.kind !== 'answer') return notConnected(answer, place)
  const nodes = nodesSchema().safeParse(answer.payload).data?.nodes ?? []
  const named = nodes.filter(({ nodeId, displayName }) => nodeId === name || displayName === name)
  // A node that was paired anew leaves its old self behind.
  const node = named.find(({ connected }) => connected) ?? named[0]
  if (node === undefined) {
    const names = nodes.flatMap(({ displayName }) => displayName ?? [])
    const close = nearest(name, names)
    const hint = close === undefined ? NODES_HINT : `did you mean node:${close}?`
    const reason = `no node "${name}" is paired with the gateway ${place.gateway.origin}`
    return badTarget(reason, hint).failure
  }
  if (!node.connected)
    return { ...{ code: 'unreachable', target }, reason: OFFLINE, hint: 'start it there: openclaw node run' }
  if (node.commands.includes('system.run')) return node.nodeId
  return { code: 'denied', target, rule: 'the gateway lets nobody run commands (system.run) on this node' }
}

const NODES_HINT =
  'at the gateway: openclaw nodes status   lists them, openclaw nodes pending   those that wait'
