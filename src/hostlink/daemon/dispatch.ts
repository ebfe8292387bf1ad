/** From a request to its answer, with the checks in the order of PROTOCOL.md, section 3. */

import { VERSION } from '../../build/version.ts'
import { FEATURES, jobRequest, runRequest } from '../messages.ts'
import type { Audit, AuditEntry } from './audit.ts'
import type { Config } from './config/config.ts'
import { type Asker, cancelExecution, type ExecSurroundings, exec } from './exec/exec.ts'
import { jobOwner } from './exec/job-start.ts'
import { type Body, badRequest } from './peers/answer.ts'
import { BOUNDS } from './peers/bounds.ts'
import { checkFields } from './peers/fields.ts'
import { placesFor } from './policy/places.ts'
import { type Asked, decideRequest, type Token } from './policy/policy.ts'
import { findProgram } from './policy/program.ts'
import type { PolicyContext } from './policy/rule.ts'
import { judge } from './policy/trust.ts'
import type { HostRuns } from './run-service.ts'

type DispatchOptions = Omit<ExecSurroundings, 'decide'> & {
  readonly audit: Audit
  readonly hostRuns: HostRuns
  readonly startedAt: number
}

type Dispatch = (asker: Asker) => Promise<Body>

export const UNKNOWN_TYPE = 'unknown message type'
export const isKnownType = (type: string): boolean => ['ping', 'exec', 'cancel', 'job', 'run'].includes(type)

export function createDispatch(options: DispatchOptions): Dispatch {
  const trusted = new Set([0, process.geteuid?.() ?? 0])
  const context: PolicyContext = {
    find: argv0 => findProgram(argv0, options.hostEnv),
    judge: path => judge(path, trusted),
  }
  const around = { ...options, decide: (token: Token, asked: Asked) => decideRequest(token, asked, context) }
  const handle = async (asker: Asker): Promise<Body> => {
    switch (asker.request.type) {
      case 'ping':
        return ping(asker.token, options.config(), options.startedAt)
      case 'exec':
        return exec(asker, around)
      case 'cancel':
        return cancelExecution(asker, around)
      case 'job':
        return job(asker, around)
      case 'run':
        return run(asker, around, options.hostRuns)
      default:
        return badRequest(UNKNOWN_TYPE)
    }
  }
  return async asker => {
    const body = await handle(asker)
    // Behind the answer, which need not wait for it.
    setImmediate(() => options.audit.write(auditEntry(asker, body)))
    return body
  }
}

function ping(token: Token, config: Config, startedAt: number): Body {
  return {
    status: 'ok',
    uptime_s: Math.floor((Date.now() - startedAt) / 1000),
    features: FEATURES,
    server: `hostops/${VERSION}`,
    token_name: token.name,
    policy: token.policy.kind,
    max_timeout_ms: config.maxTimeoutMs,
    max_concurrent: placesFor(token, config.maxConcurrent),
    max_request_bytes: BOUNDS.requestBytes,
  }
}

async function job({ request, connection, token }: Asker, around: ExecSurroundings): Promise<Body> {
  const checked = checkFields(jobRequest, request.fields)
  if ('wrong' in checked) return badRequest(checked.wrong)
  const verdict = around.decide(token, { type: 'job', request: checked.value })
  if (!verdict.allowed) return { status: 'denied', error_msg: verdict.rule }
  const gone = new AbortController()
  const unwatch = connection.watch('gone', () => gone.abort())
  try {
    return await around.jobs.handle(checked.value, jobOwner(token), gone.signal)
  } finally {
    unwatch()
  }
}

async function run(
  { request, connection, token }: Asker,
  around: ExecSurroundings,
  hostRuns: HostRuns,
): Promise<Body> {
  const checked = checkFields(runRequest, request.fields)
  if ('wrong' in checked) return badRequest(checked.wrong)
  const gone = new AbortController()
  const unwatch = connection.watch('gone', () => gone.abort())
  try {
    return await hostRuns.handle(checked.value, token, asked => around.decide(token, asked), gone.signal)
  } finally {
    unwatch()
  }
}

function auditEntry({ request, connection, token }: Asker, body: Body): AuditEntry {
  const { fields } = request
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  const number = (value: unknown) => (typeof value === 'number' ? value : undefined)
  return {
    token: token.name,
    peer: connection.name,
    type: request.type,
    id: request.id,
    // What a refused request called its argv may be anything.
    argv: Array.isArray(fields['argv'])
      ? fields['argv'].map(word => text(word) ?? JSON.stringify(word))
      : undefined,
    command: text(fields['command']),
    workdir: text(fields['workdir']),
    job_id: text(body['job_id']) ?? text(fields['job_id']),
    key: text(fields['key']),
    run: request.type === 'run' ? runOf(fields, body) : undefined,
    verdict: verdictOf(body),
    rule: body.status === 'denied' ? body.error_msg : undefined,
    exit_code: number(body['exit_code']),
    duration_ms: number(body['duration_ms']),
  }
}

/** Values of inputs may be secrets; their names are no part of what happened. */
function runOf(fields: Readonly<Record<string, unknown>>, body: Body) {
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  const { name } = (fields['playbook'] ?? {}) as { name?: unknown }
  return {
    action: text(fields['action']),
    run_id: text(body['run_id'] ?? fields['run_id']),
    playbook: text(name),
  }
}

function verdictOf(body: Body): AuditEntry['verdict'] {
  if (body.status === 'denied' || body.status === 'bad_request') return body.status
  return body.status === 'error' && body['exit_code'] === undefined ? 'error' : 'allowed'
}
