/** `targets`: what targets.conf holds, and with -P whether each of them answers. */
import { settlePing } from '../link/answers.ts'
import { endpointOfTarget, loadTargets } from '../link/endpoint.ts'
import type { LinkFailure } from '../link/link.ts'
import { requestOnce } from '../link/once.ts'
import { pingBody, requestIds } from '../link/requests.ts'
import type { Target } from '../link/targets.ts'
import type { CliOutcome } from './exit-code.ts'
import type { ClientIo } from './io.ts'
import type { CliSettings } from './options.ts'
import { wordEndpoint, wordTargetsProblem } from './usage.ts'
import { addressOnly, withoutControls } from './wording.ts'

const PING_MS = 5000

/** Listing succeeds whatever the pings say: each target's state is in its line. */
export async function runTargets(io: ClientIo, settings: CliSettings): Promise<CliOutcome> {
  const loaded = loadTargets(settings.targetsFile, io.env, io.readFile)
  if (!loaded.ok) {
    await io.write('stderr', wordEndpoint(loaded.problem))
    return { kind: 'usage' }
  }
  const { targets, problems } = loaded.targets
  for (const problem of problems) await io.write('stderr', wordTargetsProblem(problem))
  const states = settings.ping
    ? await Promise.all(targets.map(target => stateOf(target, io, settings)))
    : targets.map(() => null)
  const rows = targets.map((target, index) => ({ target, state: states[index] ?? null }))
  await io.write(
    'stdout',
    settings.json ? `${JSON.stringify(rows.map(toJson))}\n` : rows.map(toLine).join(''),
  )
  return problems.length > 0 ? { kind: 'usage' } : { kind: 'done' }
}

type State =
  | { state: 'ok'; node: string; uptime_s: number }
  | { state: 'unreachable' | 'auth_failed' | 'no_answer' | 'refused' | 'no_token'; error: string }
type Row = { target: Target; state: State | null }

async function stateOf(target: Target, io: ClientIo, settings: CliSettings): Promise<State> {
  const resolved = endpointOfTarget(target, settings, io.env, io.readFile)
  if (!resolved.ok) {
    const [error = ''] = wordEndpoint(resolved.problem).split('\n')
    return { state: 'no_token', error }
  }
  const limits = { connectTimeoutMs: settings.connectTimeoutMs ?? PING_MS, answerTimeoutMs: PING_MS }
  const result = await requestOnce(resolved.endpoint, pingBody(requestIds()()), limits)
  const ping = result.ok ? settlePing(result.value) : result
  if (!ping.ok) return failedState(ping.failure)
  return { state: 'ok', node: ping.value.node, uptime_s: ping.value.uptime_s }
}

function failedState(failure: LinkFailure): State {
  if (failure.kind === 'connect') return { state: 'unreachable', error: failure.reason }
  if (failure.kind === 'auth') return { state: 'auth_failed', error: 'Authentication failed' }
  if (failure.kind === 'refused') return { state: 'refused', error: failure.message }
  return { state: 'no_answer', error: 'reason' in failure ? failure.reason : `none within ${PING_MS}ms` }
}

function toJson({ target, state }: Row) {
  const { at, name } = target
  const place = at.kind === 'unix' ? { socket: at.path } : { address: at.host, port: at.port }
  return { name, transport: at.kind, ...place, ...state }
}

function toLine({ target, state }: Row): string {
  const line = `${target.name.padEnd(20)} ${target.at.kind.padEnd(5)} ${addressOnly(target.at)}`
  return `${line}${state === null ? '' : `  ${words(state)}`}\n`
}

function words(state: State): string {
  if (state.state === 'ok') return `ok  ${withoutControls(state.node)} (up ${state.uptime_s}s)`
  return `${state.state.replace('_', ' ')}: ${withoutControls(state.error)}`
}
