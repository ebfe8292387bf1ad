/** `ask ACTION JSON`: one request of the wire in, one `Reply` out, for a carrier that can start short commands only. */
import type { RunRequest } from '../../hostlink/messages.ts'
import { EXIT_OK } from '../../report/exit-code.ts'
import type { HostLink } from '../../runs/host-link.ts'
import { jsonLine } from '../../wording/printable.ts'
import type { TriggerIo } from './print.ts'
import { fittingReply, isTooLong, SAFE_EVENT_BYTES } from './requests.ts'

/** Asked once only: whether a lost request may be repeated is for the caller to know. */
export async function answerAsked(request: RunRequest, host: HostLink, io: TriggerIo): Promise<number> {
  const { action, ...fields } = request
  let reply = await host.ask(action, fields)
  if (action === 'events' && isTooLong(reply))
    reply = await host.ask(action, { ...fields, max_bytes: SAFE_EVENT_BYTES })
  io.out(`${asciiOnly(jsonLine(fittingReply(request, reply, host.target)))}\n`)
  return EXIT_OK
}

/** Some carriers decode what they read piece by piece, which breaks a character of several bytes. */
const asciiOnly = (json: string): string =>
  json.replace(/[^ -~]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
