/** Peers, tokens and dispatch put together: what happens to a payload, and to everything at the end. */
import type { Socket } from 'node:net'
import type { Jobs } from '../../jobs/jobs.ts'
import type { Audit } from './audit.ts'
import type { Config } from './config/config.ts'
import type { Log } from './config/log.ts'
import { createDispatch, isKnownType, UNKNOWN_TYPE } from './dispatch.ts'
import { createExecutions } from './exec/executions.ts'
import { answerFrame, type Body, badRequest } from './peers/answer.ts'
import { createGuard } from './peers/auth.ts'
import { BOUNDS } from './peers/bounds.ts'
import type { Connection } from './peers/connection.ts'
import { createPeers } from './peers/peers.ts'
import { parseRequest, type Request, tokenText } from './peers/request.ts'
import { createTurns } from './peers/turns.ts'
import { placesFor } from './policy/places.ts'
import type { Token } from './policy/policy.ts'
import type { TokenTable } from './policy/tokens.ts'
import { createQuiet } from './quiet.ts'
import type { HostRuns } from './run-service.ts'

type ServerOptions = {
  /** Asked at each use, because a reload may have changed them. */
  readonly config: () => Config
  readonly tokens: () => TokenTable
  readonly jobs: Jobs
  readonly hostRuns: HostRuns
  readonly audit: Audit
  readonly log: Log
  readonly hostEnv: NodeJS.ProcessEnv
}

export type Server = {
  accept(socket: Socket, name: string): void
  /** Ends what runs, answers it, and closes every connection. Jobs go on. */
  shutdown(): Promise<void>
}

const LAST_ANSWERS_MS = 1000

export function createServer(options: ServerOptions): Server {
  const { config, tokens, audit, log } = options
  const runs = createExecutions()
  const guard = createGuard(log)
  const looking = createTurns()
  const quiet = createQuiet()
  const dispatch = createDispatch({ ...options, runs, startedAt: Date.now() })

  const refuse = (connection: Connection, body: Body, id = '') =>
    connection.send(answerFrame(config().nodeName, id, body))

  /** Most of what a large request costs is spent before its token is known. */
  const onPayload = (payload: Buffer, connection: Connection): void => {
    const isQuick = payload.length <= BOUNDS.quickBytes || connection.isTrusted
    if (isQuick || isKnown(tokenText(payload))) look(payload, connection)
    else connection.defer(payload, looking, due => look(due, connection))
  }
  const isKnown = (token: string | null) => token !== null && tokens().authenticate(token) !== null

  const look = (payload: Buffer, connection: Connection): void => {
    const parsed = parseRequest(payload)
    if ('invalid' in parsed) {
      connection.takeNoMore()
      refuse(connection, badRequest(`invalid JSON: ${parsed.invalid}`))
      return
    }
    const { request } = parsed
    const token = request.token === null ? null : tokens().authenticate(request.token)
    if (token === null) {
      refuseStranger(request, connection)
      return
    }
    if (!connection.isTrusted && peers.all.size > placesFor(token, BOUNDS.connections)) {
      connection.takeNoMore()
      refuse(connection, { status: 'error', error_msg: 'server busy, too many connections' }, request.id)
      return
    }
    connection.trust()
    if (!request.keepAlive) connection.takeNoMore()
    const refusal = refusalOf(request, connection)
    if (refusal === null) void serve(request, connection, token)
    else refuse(connection, refusal.body, refusal.id)
  }

  const refuseStranger = ({ type, id }: Request, connection: Connection): void => {
    connection.takeNoMore()
    const { isLogged, mayAnswer } = guard.failed(connection.name)
    if (isLogged) {
      audit.write({ token: null, peer: connection.name, type, id, verdict: 'auth_failed' })
    }
    const body: Body = { status: 'auth_failed', error_msg: 'authentication failed' }
    void connection.sendLater(answerFrame(config().nodeName, '', body), mayAnswer)
  }

  const serve = async (request: Request, connection: Connection, token: Token) => {
    connection.begin(request.id)
    let body: Body
    try {
      body = await dispatch({ request, connection, token })
    } catch (error) {
      log.error(`request failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      body = { status: 'error', error_msg: 'internal error' }
    }
    connection.answer(request.id, answerFrame(config().nodeName, request.id, body))
    quiet.served()
  }

  const onOversized = (connection: Connection, limit: number) =>
    refuse(connection, badRequest(`request too large (at most ${limit} bytes)`))

  const peers = createPeers({ onPayload, onOversized })
  return {
    accept: peers.accept,
    shutdown: async () => {
      quiet.stop()
      peers.dismiss()
      await runs.shutdown()
      options.jobs.close()
      options.hostRuns.close()
      const deadline = Date.now() + LAST_ANSWERS_MS
      while (peers.all.size > 0 && Date.now() < deadline)
        await new Promise(resolve => setTimeout(resolve, 10))
      peers.close()
    },
  }
}

/** What keeps a request from being looked at any closer. */
function refusalOf({ type, id }: Request, { inFlight }: Connection): { body: Body; id: string } | null {
  if (!isKnownType(type)) return { body: badRequest(UNKNOWN_TYPE), id: '' }
  if (inFlight.has(id)) return { body: badRequest('id is in use on this connection'), id }
  if (inFlight.size < BOUNDS.requestsInFlight) return null
  return { body: { status: 'error', error_msg: 'too many requests in flight on this connection' }, id }
}
