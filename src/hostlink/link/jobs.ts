/** Jobs over a link: waiting at the daemon where it can, asking again and again where it cannot. */
import { fail, settleExec, settleFlag, settleInfo, settleJobs, settleTail } from './answers.ts'
import { type LinkContext, SHORT_ANSWER_MS } from './context.ts'
import type { Link, TailOptions } from './link.ts'
import { jobAction, jobBody, tailFields } from './requests.ts'
import { tailBytes } from './tail-bytes.ts'

const WAIT_MS = 60_000
const FIRST_POLL_MS = 50
const LONGEST_POLL_MS = 2000

type Jobs = Pick<Link, 'submitJob' | 'jobList' | 'jobStatus' | 'jobTail' | 'jobCancel' | 'jobWait'>

export function jobsOver({ ask, lacking, nextId, features }: LinkContext): Jobs {
  const canWait = features.has('job_wait')
  const jobStatus: Link['jobStatus'] = (jobId, options) =>
    ask(jobAction(nextId(), 'status', { job_id: jobId }), options, settleInfo)
  const tailOnce: Link['jobTail'] = async (jobId, options = {}) => {
    const answerTimeoutMs = options.answerTimeoutMs ?? (options.waitMs ?? 0) + SHORT_ANSWER_MS
    const body = jobAction(nextId(), 'tail', tailFields(jobId, options))
    const result = await ask(body, { ...options, answerTimeoutMs }, settleTail)
    return result.ok ? { ok: true, value: { ...result.value, bytes: tailBytes(result.value) } } : result
  }
  const tailPolled = async (
    jobId: string,
    { waitMs = 0, ...options }: TailOptions,
  ): ReturnType<Link['jobTail']> => {
    const deadline = performance.now() + waitMs
    for (let pollMs = FIRST_POLL_MS; ; pollMs = longer(pollMs)) {
      // Asked before the data is: `done` then means that nothing comes behind it.
      const status = await jobStatus(jobId, options)
      if (!status.ok) return status
      const tail = await tailOnce(jobId, options)
      if (!tail.ok) return tail
      const { done, state } = status.value
      if (done || tail.value.next_offset > (options.offset ?? 0) || performance.now() >= deadline)
        return { ok: true, value: { ...tail.value, done, state } }
      await pause(options.pollMs ?? pollMs, options.signal)
    }
  }
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
    jobTail: (jobId, options = {}) =>
      canWait || options.waitMs === undefined ? tailOnce(jobId, options) : tailPolled(jobId, options),
    jobCancel: async (jobId, options = {}) => {
      const fields = { job_id: jobId, signal: options.kill ? 'KILL' : 'TERM' }
      const body = jobAction(nextId(), 'cancel', fields)
      const result = await ask(body, options, got => settleFlag(got, 'signalled'))
      return result.ok ? { ok: true, value: result.value['signalled'] === true } : result
    },
    jobWait: async (jobId, options = {}) => {
      const fields = { job_id: jobId, timeout_ms: WAIT_MS }
      const patient = { ...options, answerTimeoutMs: WAIT_MS + SHORT_ANSWER_MS }
      for (let pollMs = FIRST_POLL_MS; ; pollMs = longer(pollMs)) {
        const result = canWait
          ? await ask(jobAction(nextId(), 'wait', fields), patient, settleInfo)
          : await jobStatus(jobId, options)
        if (!result.ok || result.value.done) return result
        if (!canWait) await pause(options.pollMs ?? pollMs, options.signal)
      }
    },
  }
}

const longer = (pollMs: number): number => Math.min(1.5 * pollMs, LONGEST_POLL_MS)

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
