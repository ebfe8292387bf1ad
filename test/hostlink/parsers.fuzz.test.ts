/** Whatever text arrives, each parser answers with a value or a reason, never with an exception. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/hostlink/daemon/config/config.ts'
import {
  parseAnswer,
  settleExec,
  settleFlag,
  settleInfo,
  settleJobs,
  settlePing,
  settleTail,
} from '../../src/hostlink/link/answers.ts'
import { parseAddress } from '../../src/hostlink/link/endpoint.ts'
import { parseTargets } from '../../src/hostlink/link/targets.ts'
import { cancelRequest, execRequest, jobRequest } from '../../src/hostlink/messages.ts'

const RUNS = { numRuns: 2000, seed: 20261120 }

/** Objects with the right names and the wrong values get further than any others. */
const fields = (names: string[]) =>
  fc.dictionary(
    fc.oneof(fc.constantFrom(...names), fc.constantFrom('__proto__', 'constructor', 'toString'), fc.string()),
    fc.oneof(
      fc.jsonValue(),
      fc.integer(),
      fc.constantFrom('', 'a', '0123456789ab', 'list', 'tail', -1, Number.POSITIVE_INFINITY, '\0'),
    ),
  )
const execFields = fields(
  'command argv timeout_ms max_stdout_bytes output_to_file workdir env detach stream key id token'.split(' '),
)
const jobFields = fields('action job_id stream offset max_bytes wait_ms signal timeout_ms'.split(' '))
const cancelFields = fields('target_id key signal'.split(' '))
const answerFields = fields(
  'version id node status error_msg exit_code stdout stderr data offset next_offset jobs features uptime_s'.split(
    ' ',
  ),
)

test('requests: what the schemas take has the promised shape', () => {
  fc.assert(
    fc.property(fc.oneof(execFields, fc.jsonValue()), request => {
      const parsed = execRequest.safeParse(request)
      if (!parsed.success) return
      const { command, argv, workdir, env } = parsed.data
      expect((command === undefined) !== (argv === undefined)).toBe(true)
      for (const text of [command, workdir, ...(argv ?? []), ...Object.entries(env ?? {}).flat()]) {
        expect(text === undefined || (typeof text === 'string' && !text.includes('\0'))).toBe(true)
      }
    }),
    RUNS,
  )
  fc.assert(
    fc.property(fc.oneof(jobFields, cancelFields, fc.jsonValue()), request => {
      const job = jobRequest.safeParse(request)
      if (job.success && 'job_id' in job.data) expect(job.data.job_id).toMatch(/^[0-9a-f]{12}$/)
      cancelRequest.safeParse(request)
    }),
    RUNS,
  )
})

test('answers: any bytes are an answer or a fault, and any answer settles', () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes)),
    fc.oneof(answerFields, fc.jsonValue()).map(value => Buffer.from(JSON.stringify(value) ?? '')),
    answerFields.map(rest =>
      Buffer.from(
        JSON.stringify({
          ...rest,
          version: 1,
          id: 'a',
          node: 'n',
          status: rest['error_msg'] ? 'error' : 'ok',
        }),
      ),
    ),
  )
  fc.assert(
    fc.property(payload, bytes => {
      const received = parseAnswer(bytes)
      if ('fault' in received) {
        expect(received.fault).not.toBe('')
        return
      }
      for (const settle of [settlePing, settleExec, settleInfo, settleTail, settleJobs]) settle(received)
      settleFlag(received, 'cancelled')
    }),
    RUNS,
  )
})

const line = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc
    .tuple(
      fc.constantFrom(
        ...'auth_token unix_path tcp_port unix_mode max_concurrent log_level shell env_allow'.split(' '),
      ),
      fc.oneof(
        fc.string(),
        fc.integer().map(String),
        fc.constantFrom('true', 'TRUE', '/x', '0660', '99999999999999'),
      ),
    )
    .map(([key, value]) => `${key} = ${value}`),
)

test('hostlink.conf: any text is a config, or problems with their lines', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), lines => {
      const result = parseConfig(lines.join('\n'), 'x.conf')
      if (!('problems' in result)) return
      expect(result.problems.length).toBeGreaterThan(0)
      const total = lines.join('\n').split('\n').length
      for (const problem of result.problems) expect(problem.line ?? 1).toBeLessThanOrEqual(total)
    }),
    RUNS,
  )
})

const targetLine = fc.oneof(
  line,
  fc.string().map(name => `[${name}]`),
  fc
    .tuple(
      fc.constantFrom('transport', 'socket', 'address', 'port', 'token', 'timeout_ms', '__proto__'),
      fc.oneof(fc.string(), fc.constantFrom('unix', 'tcp', '0', '65536', '-1', '1e3')),
    )
    .map(([key, value]) => `${key}=${value}`),
)

test('targets.conf: any text is targets and problems; names are unique and numbers in range', () => {
  fc.assert(
    fc.property(fc.array(targetLine, { maxLength: 12 }), lines => {
      const { targets, problems } = parseTargets(lines.join('\n'), 'targets.conf')
      expect(new Set(targets.map(target => target.name)).size).toBe(targets.length)
      for (const { at } of targets) {
        if (at.kind === 'tcp') expect(at.port >= 1 && at.port <= 65_535).toBe(true)
      }
      for (const problem of problems) expect(problem.line).toBeGreaterThan(0)
    }),
    RUNS,
  )
})

test('addresses: any text is an address with a port in range, or none', () => {
  const text = fc.oneof(
    fc.string(),
    fc.tuple(fc.string(), fc.integer()).map(([host, port]) => `${host}:${port}`),
    fc.constantFrom('[::1]:1', '::1', ':', 'a:', ':1', '[', '[]', '[::1', 'a:0', 'a:65536', 'a:1:2'),
  )
  fc.assert(
    fc.property(text, one => {
      const address = parseAddress(one)
      if (address?.kind === 'tcp') expect(address.port >= 1 && address.port <= 65_535).toBe(true)
    }),
    RUNS,
  )
})
