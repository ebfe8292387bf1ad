/** `ask ACTION JSON`: one request of the wire in, one `Reply` out, for a carrier that can start short commands only. */
import type { RunRequest } from '../../hostlink/messages.ts'
import type { HostLink } from '../../runs/host-link.ts'
import { printJson, type TriggerIo } from './print.ts'
import { fittingReply, isTooLong, SAFE_EVENT_BYTES } from './requests.ts'

/** Asked once only: whether a lost request may be repeated is for the caller to know. */
export async function answerAsked(request: RunRequest, host: HostLink, io: TriggerIo): Promise<number> {
  const { action, ...fields } = request
  let reply = await host.ask(action, fields)
  if (action === 'events' && isTooLong(reply))
    reply = await host.ask(action, { ...fields, max_bytes: SAFE_EVENT_BYTES })
  return printJson(fittingReply(request, reply, host.target), io)
}
