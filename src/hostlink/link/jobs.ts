/** Jobs over a link: waiting at the daemon where it can, asking again and again where it cannot. */
import { fail, settleExec, settleFlag, settleInfo, settleJobs, settleTail } from './answers.ts'
import { type LinkContext, SHORT_ANSWER_MS } from './context.ts'
import { definite } from './definite.ts'
import type { Link } from './link.ts'
import { jobAction, jobBody, tailFields } from './requests.ts'
import { tailBytes } from './tail-bytes.ts'

const WAIT_MS = 60_000
const POLL_MS = 500

type Jobs = Pick<Link, 'submitJob' | 'jobList' | 'jobStatus' | 'jobTail' | 'jobCancel' | 'jobWait'>

export function jobsOver({ ask, lacking, nextId, features }: LinkContext): Jobs {
  const jobStatus: Link['jobStatus'] = (jobId, options) =>
    ask(jobAction(nextId(), 'status', { job_id: jobId }), options, settleInfo)
  return {
    jobStatus,
    jobList: options => ask(jobAction(nextId(), 'list'), options, settleJobs),
    submitJob: async options => {
      const missing = lacking(
        options.argv !== undefined && 'argv',
        options.key !== undefined && 'key',
        options.attachOnly === true && 'attach',
      )
      if (missing) return fail(missing)
      const result = await ask(jobBody(nextId(), options), options, settleExec)
      if (!result.ok) return result
      const jobId = result.value.job_id
      if (!jobId) return fail({ kind: 'protocol', reason: "the answer's field job_id is missing" })
      return { ok: true, value: { jobId, answer: result.value } }
    },
    jobTail: async (jobId, options = {}) => {
      const missing = lacking(options.waitMs !== undefined && 'job_wait')
      if (missing) return fail(missing)
      const answerTimeoutMs = options.answerTimeoutMs ?? (options.waitMs ?? 0) + SHORT_ANSWER_MS
      const body = jobAction(nextId(), 'tail', tailFields(jobId, options))
      const result = await ask(body, { ...options, answerTimeoutMs }, settleTail)
      return result.ok ? { ok: true, value: { ...result.value, bytes: tailBytes(result.value) } } : result
    },
    jobCancel: async (jobId, options = {}) => {
      const fields = { job_id: jobId, signal: options.kill ? 'KILL' : 'TERM' }
      const body = jobAction(nextId(), 'cancel', fields)
      const result = await ask(body, options, got => settleFlag(got, 'signalled'))
      return result.ok ? { ok: true, value: result.value['signalled'] === true } : result
    },
    jobWait: async (jobId, { signal, pollMs = POLL_MS } = {}) => {
      const fields = { job_id: jobId, timeout_ms: WAIT_MS }
      const patient = definite({ signal, answerTimeoutMs: WAIT_MS + SHORT_ANSWER_MS })
      for (;;) {
        const result = features.has('job_wait')
          ? await ask(jobAction(nextId(), 'wait', fields), patient, settleInfo)
          : await jobStatus(jobId, definite({ signal }))
        if (!result.ok || result.value.done) return result
        if (!features.has('job_wait')) await pause(pollMs, signal)
      }
    },
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    if (signal?.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
}
