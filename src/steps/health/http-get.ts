import * as z from 'zod'
import { isRecord } from '../../document/is-record.ts'
import { parseJson } from '../../document/json.ts'
import { parseDuration, timeLimitSchema } from '../../duration.ts'
import { Failed } from '../../failure.ts'
import { once } from '../contract/once.ts'
import type { StepKind } from '../contract/step.ts'
import { curlArgv, fetchAnswer, type HttpRequest, shownUrl, urlField } from './curl.ts'
import { expectField } from './http-expect.ts'

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

const schema = once(() =>
  z.strictObject({
    url: urlField().describe('Asked on the target, so 127.0.0.1 is the target. Redirects are not followed.'),
    expect: expectField(),
    timeout: timeLimitSchema().default('10s').describe('Limit of the whole request.'),
    header: z
      .record(
        z.string().regex(HEADER_NAME, 'the name of a header'),
        z.string().regex(/^[^\r\n\u0000]*$/, 'one line'),
      )
      .default({})
      .describe('Headers to send. They are visible in the target’s process list while the request runs.'),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

export const httpGet: StepKind<With> = {
  uses: 'http.get',
  summary: 'Asks for one URL on the target and gives its answer to later steps.',
  schema,
  outputs: { status: 'int', body: 'string', json: 'map' },
  timeoutMs: 60 * 60_000,
  plan: {
    effect: () => 'read',
    limitMs: input => parseDuration(input.timeout)!,
    commands: input => [{ argv: curlArgv(requestOf(input)) }],
  },
  act: {
    async run(ctx, input) {
      const { problem, answer } = await fetchAnswer(ctx, requestOf(input), input.expect)
      const url = shownUrl(input.url)
      ctx.saw({ what: 'http', target: url, saw: problem ?? `${answer?.status}`, ok: problem === null })
      if (answer === null || problem !== null) {
        const probes = [{ url, ok: false, last: problem ?? '' }]
        throw new Failed({ code: 'unhealthy', probes, timeoutMs: requestOf(input).timeoutMs })
      }
      const json = parseJson(answer.body)
      return { changed: false, outputs: { ...answer, ...(isRecord(json) ? { json } : {}) } }
    },
  },
}

const requestOf = (input: With): HttpRequest => ({
  url: input.url,
  timeoutMs: parseDuration(input.timeout) ?? 0,
  headers: input.header,
})
