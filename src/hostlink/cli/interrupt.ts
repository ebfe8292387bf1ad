/** Ctrl-C while a command runs there: features are asked for at this moment, because `exec` itself asks for none. */
import { type Received, settleFlag, settlePing } from '../link/answers.ts'
import type { Result } from '../link/link.ts'
import { requestOnce } from '../link/once.ts'
import { cancelBody, pingBody, requestIds } from '../link/requests.ts'
import type { Session } from './session.ts'
import { messageLines, withoutControls } from './wording.ts'

const ASK_MS = 3000
/** TERM, two seconds, KILL. */
const END_MS = 5000

export async function interrupt(
  session: Session,
  id: string,
  work: Promise<Result<Received>>,
): Promise<void> {
  if (session.settings.detach)
    return say(session, 'interrupted; the job may have begun', 'hostlink job list tells')
  const cancelled = await cancelThere(session, id)
  if (cancelled === 'unsupported')
    return say(session, 'interrupted; this daemon cannot cancel, so the command goes on there')
  if (cancelled === 'unknown')
    return say(session, 'interrupted; the daemon did not confirm that the command was cancelled')
  await Promise.race([work, new Promise(resolve => setTimeout(resolve, END_MS))])
  return say(session, `[${withoutControls(cancelled.node)}] cancelled`)
}

async function cancelThere(
  { endpoint }: Session,
  target: string,
): Promise<'unsupported' | 'unknown' | { node: string }> {
  const nextId = requestIds()
  const limits = { connectTimeoutMs: ASK_MS, answerTimeoutMs: ASK_MS }
  const asked = await requestOnce(endpoint, pingBody(nextId()), limits)
  const ping = asked.ok ? settlePing(asked.value) : asked
  if (!ping.ok) return 'unknown'
  if (!ping.value.features?.includes('cancel')) return 'unsupported'
  const sent = await requestOnce(endpoint, cancelBody(nextId(), { id: target }), limits)
  const flag = sent.ok ? settleFlag(sent.value, 'cancelled') : sent
  return flag.ok ? { node: ping.value.node } : 'unknown'
}

async function say({ io }: Session, message: string, hint?: string): Promise<void> {
  await io.write('stderr', messageLines(message, hint))
}
