/** The MCP server of `hostops mcp`: a tool for each playbook that may be run at one place, and tools about those runs. */
import type { Readable, Writable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { VERSION } from '../../build/version.ts'
import { Failed } from '../../failure.ts'
import { printable } from '../../wording/printable.ts'
import { sentence } from '../../wording/word.ts'
import { type ToolAnswer, textAnswer } from './answers.ts'
import { type Call, RUN_ACTS, startRunOf } from './calls.ts'
import { playbooksFor, type ServedPlace } from './place.ts'
import { CallToolRequestSchema, ListToolsRequestSchema, Server, StdioServerTransport } from './sdk.ts'
import { type Offer, offersOf, RUN_TOOLS } from './tools.ts'

type Serving = {
  place: ServedPlace
  stdin: Readable
  stdout: Writable
  /** A line for people. */
  say(line: string): void
}

const LIST_MS = 20_000
const INSTRUCTIONS =
  'Runs reviewed playbooks on a host. Check first; run with the plan hash of that check; then call wait_run until the outcome is no longer "started". Runs go on when this server or its client ends.'

/** Resolves when the client has gone. */
export async function serveMcp({ place: given, stdin, stdout, say }: Serving): Promise<void> {
  const gone = new AbortController()
  const calls = new Set<Promise<unknown>>()
  const server = new Server(
    { name: 'hostops', version: VERSION },
    {
      capabilities: { tools: { listChanged: true } },
      instructions: INSTRUCTIONS,
      jsonSchemaValidator: NO_VALIDATOR,
    },
  )
  server.onerror = error => say(`mcp: ${printable(error.message).slice(0, 300)}`)
  const list = makeToolList(given, say, () => void server.sendToolListChanged().catch(() => {}))
  const openHost: ServedPlace['openHost'] = async (...host) => {
    const opened = await given.openHost(...host)
    if (opened.ok) list.reached()
    return opened
  }
  const place = { ...given, openHost }
  const inTurn = makeTurns()
  const during = <T>(call: Promise<T>): Promise<T> => {
    calls.add(call)
    return call.finally(() => calls.delete(call))
  }
  server.setRequestHandler(ListToolsRequestSchema, () => during(list.tools()))
  server.setRequestHandler(CallToolRequestSchema, ({ params }, { signal, _meta, sendNotification }) => {
    const token = _meta?.progressToken
    let sent = 0
    const progress = (message: string) => {
      sent += 1
      const params = { progressToken: token!, progress: sent, message }
      void sendNotification({ method: 'notifications/progress', params }).catch(() => {})
    }
    const call: Call = {
      ...{ place, inTurn, progress: token === undefined ? null : progress },
      signal: AbortSignal.any([signal, gone.signal]),
    }
    return during(callTool(params.name, params.arguments, call, list))
  })
  const ended = new Promise<void>(resolve => {
    for (const event of ['end', 'close', 'error']) stdin.once(event, () => resolve())
  })
  await server.connect(new StdioServerTransport(stdin, stdout))
  await ended
  gone.abort()
  // Answers the last calls: the client may have closed its own end only.
  do await nextTurn()
  while ((await Promise.allSettled(calls)).length > 0)
  await server.close()
}

/** Only for questions of a server to its client, which this one never asks. */
const NO_VALIDATOR = {
  getValidator: () => () => ({ valid: false as const, data: undefined, errorMessage: 'not validated' }),
}

type ToolList = ReturnType<typeof makeToolList>

/** `changed`: the client may not know all that there is. */
function makeToolList(place: ServedPlace, say: Serving['say'], changed: () => void) {
  let isLacking = false
  const offers = async (): Promise<Offer[]> =>
    offersOf(await playbooksFor(place, AbortSignal.timeout(LIST_MS)))
  return {
    /** Those about runs are there also while the host is not. */
    async tools() {
      const list = await offers().catch((error: unknown) => {
        if (!(error instanceof Failed)) throw error
        say(`mcp: no playbooks to offer: ${printable(sentence(error.failure))}`)
        return null
      })
      isLacking = list === null
      return { tools: [...(list ?? []).map(({ tool }) => tool), ...RUN_TOOLS] }
    },
    /** Null: there is none of that name (any more). */
    async find(name: string): Promise<Offer | null> {
      const offer = (await offers()).find(({ tool }) => tool.name === name) ?? null
      if (offer === null) changed()
      return offer
    },
    /** The host is there. */
    reached: () => {
      if (isLacking) changed()
      isLacking = false
    },
  }
}

async function callTool(name: string, given: unknown, call: Call, list: ToolList): Promise<ToolAnswer> {
  try {
    const act = RUN_ACTS.get(name)
    return await (act ? act(given, call) : startRunOf(() => list.find(name), given, call))
  } catch (error) {
    if (error instanceof Failed) return textAnswer(sentence(error.failure), true)
    return textAnswer(`A fault in hostops itself: ${error instanceof Error ? error.message : error}`, true)
  }
}

/** One after the other, whatever becomes of each. */
function makeTurns(): Call['inTurn'] {
  let last: Promise<unknown> = Promise.resolve()
  return act => {
    const turn = last.then(act, act)
    last = turn.catch(() => {})
    return turn
  }
}
