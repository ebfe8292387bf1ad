/** What an HTTP answer must look like, and what to say when it does not. Pure. */
import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { type Json, parseJson } from '../../document/json.ts'
import { lines } from '../contract/plain-text.ts'
import { parseJsonPath, valueAt } from './json-path.ts'

const statusField = () =>
  z.union([z.int().min(100).max(599), z.string().regex(/^[1-5]xx$/, 'a status like 200, or 2xx')])

export const expectField = () =>
  z
    .strictObject({
      status: z
        .union([statusField(), z.array(statusField()).min(1)])
        .default('2xx')
        .describe('Status code, a class like 2xx, or a list of them. Redirects are answers, not followed.'),
      body: z.string().optional().describe('Text that the body must contain.'),
      json: z
        .string()
        .refine(text => parseJsonPath(text) !== null, "a path like $.a.b[0]['c']")
        .optional()
        .describe("A value that the JSON body must have: $.a.b[0]['c']."),
      equals: z
        .union([z.string(), z.number(), z.boolean(), z.null()])
        .optional()
        .describe('What the value at `json` must be. Without it, it must only be there.'),
    })
    .refine(expect => expect.equals === undefined || expect.json !== undefined, {
      message: 'equals needs json: the path of the value to compare',
      path: ['equals'],
    })
    .prefault({})
    .describe('What makes an answer a good one.')

export type Expect = z.infer<ReturnType<typeof expectField>>
type Redact = (text: string) => string
export type Answer = { status: number; body: string }

/** Null when the answer is as expected. What it quotes is cut: `redact` takes secrets out before. */
export function objection(answer: Answer, expect: Expect, redact: Redact): string | null {
  const short = (value: Json) => redact(JSON.stringify(value)).slice(0, 100)
  const status = `HTTP ${answer.status}`
  if (!statusFits(answer.status, expect.status)) {
    // Of a page what stands in it.
    const said = lines(answer.body.replace(/<[^<>]*>/g, ' '))[0]?.trim()
    return said === undefined ? status : `${status}: ${redact(said).slice(0, 200)}`
  }
  if (expect.body !== undefined && !answer.body.includes(expect.body)) {
    return `${status}, but the body does not contain ${JSON.stringify(expect.body)}`
  }
  if (expect.json === undefined) return null
  const json = parseJson(answer.body)
  if (json === undefined) return `${status}, but the body is no JSON`
  const value = valueAt(json, parseJsonPath(expect.json)!)
  if (value === undefined) return `${status}, but there is no ${expect.json}`
  if (expect.equals === undefined || isDeepStrictEqual(value, expect.equals)) return null
  return `${status}, but ${expect.json} is ${short(value)} and not ${short(expect.equals)}`
}

function statusFits(status: number, wanted: Expect['status']): boolean {
  return [wanted]
    .flat()
    .some(each => (typeof each === 'number' ? status === each : `${status}`[0] === each[0]))
}
