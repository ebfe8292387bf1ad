/** What hostops-trigger asks a host for, and how much of an answer it passes on. Pure. */
import { isRecord } from '../../document/is-record.ts'
import { parseJson } from '../../document/json.ts'
import { type RunRequest, runRequest } from '../../hostlink/messages.ts'
import { givenTexts } from '../../playbook/given-inputs.ts'
import { noReply, type Reply } from '../../runs/host-link.ts'
import { jsonLine } from '../../wording/printable.ts'
import { misused } from './parse-args.ts'

/** OpenClaw 2026.4.20 ends a command after 30 s. */
export const MOST_WAIT_MS = 20_000
/** OpenClaw passes on 200 000 characters of a command. */
const MOST_CHARACTERS = 150_000
const MOST_EVENT_BYTES = 100_000
/** So few that they fit even if each is written as an escape of six characters. */
export const SAFE_EVENT_BYTES = 24_000
/** Three quarters of their base64. */
const MOST_LOG_BYTES = 90_000

type Start = {
  name: string
  runId: string
  input: readonly string[]
  check?: boolean | undefined
  plan?: string | undefined
}

/** Throws `Failed` if the host would not take it. A text that begins with `@` is that text. */
export function startRequest({ name, runId, input, check, plan }: Start) {
  const fields = {
    run_id: runId,
    playbook: { name },
    input_texts: Object.fromEntries(givenTexts(input)),
    options: { check, plan },
  }
  checked({ action: 'start', ...fields })
  return fields
}

/** A request in the fields of the wire, with its waits cut short. Throws `Failed` if it is none, or holds a playbook's text. */
export function askedRequest(action: string, json: string): RunRequest {
  const request = checked({ ...parsedObject(json), action })
  switch (request.action) {
    case 'start':
      if (request.playbook.text !== undefined)
        throw misused('playbook.text: only names of playbooks are taken')
      return request
    case 'wait':
      return { ...request, timeout_ms: Math.min(request.timeout_ms ?? MOST_WAIT_MS, MOST_WAIT_MS) }
    case 'events':
      return {
        ...request,
        max_bytes: Math.min(request.max_bytes ?? MOST_EVENT_BYTES, MOST_EVENT_BYTES),
        wait_ms: Math.min(request.wait_ms ?? 0, MOST_WAIT_MS),
      }
    case 'journal':
      return { ...request, wait_ms: Math.min(request.wait_ms ?? 0, MOST_WAIT_MS) }
    default:
      return request
  }
}

function parsedObject(json: string): object {
  const value = parseJson(json)
  if (isRecord(value)) return value
  // Without the parser's own words, which would quote the text.
  throw misused('ask takes the fields of the action as one JSON object')
}

function checked(request: object): RunRequest {
  const read = runRequest.safeParse(request)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw misused(`${issue?.path.join('.') || 'the request'}: ${issue?.message ?? 'cannot be read'}`)
}

export const isTooLong = (reply: Reply): boolean => jsonLine(reply).length > MOST_CHARACTERS

/** The part of an answer that fits; the rest is had by asking again behind it. */
export function fittingReply(request: RunRequest, reply: Reply, target: string): Reply {
  const cut = reply.ok ? { ...reply, value: cutAnswer(request, reply.value) } : reply
  if (!isTooLong(cut)) return cut
  const message = `the answer has more than ${MOST_CHARACTERS} characters: look at the host itself`
  return noReply({ code: 'usage', what: 'refused-by', target, message })
}

type Answer = Extract<Reply, { ok: true }>['value']

function cutAnswer(request: RunRequest, answer: Answer): Answer {
  if (request.action === 'logs' && answer.data !== undefined) {
    const bytes = Buffer.from(answer.data, 'base64').subarray(0, MOST_LOG_BYTES)
    return { ...answer, data: bytes.toString('base64'), next_offset: (request.offset ?? 0) + bytes.length }
  }
  if (request.action === 'list' && Array.isArray(answer.runs))
    return { ...answer, runs: [...fitting(answer.runs)] }
  if (request.action === 'journal' && Array.isArray(answer.entries)) {
    const entries = [...fitting(answer.entries)]
    return entries.length === answer.entries.length ? answer : { ...answer, entries, done: false }
  }
  return answer
}

/** At least one, so that whoever asks for what follows gets somewhere. */
function fitting(items: readonly unknown[]): readonly unknown[] {
  // Room for the envelope around them.
  let room = MOST_CHARACTERS - 5000
  const end = items.findIndex(item => {
    room -= jsonLine(item).length + 1
    return room < 0
  })
  return end < 0 ? items : items.slice(0, Math.max(1, end))
}
