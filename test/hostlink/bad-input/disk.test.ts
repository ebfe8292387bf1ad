/** A full disk under the spool: told, not hung; and the daemon goes on. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { undisturbed } from '../../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { notTested } from '../../rig/not-tested.ts'
import { descriptors, until } from '../../rig/observe.ts'
import { type Answer, connectPeer } from '../../rig/peer.ts'

const disk = mkdtempSync(join(tmpdir(), 'hostlink-disk-'))
const refused = mountSmallDisk(disk)
if (refused !== null) notTested(`a full disk under the spool: ${refused}`)

function mountSmallDisk(at: string): string | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=0700', 'tmpfs', at], { stdio: 'pipe' })
    return null
  } catch (error) {
    return `a small disk cannot be mounted here (${error instanceof Error ? error.message.trim() : error})`
  }
}

afterAll(() => {
  if (refused === null) execFileSync('umount', ['-l', disk])
  rmSync(disk, { recursive: true, force: true })
})

describe.skipIf(refused !== null)(
  refused === null ? 'a full disk' : `a full disk (skipped: ${refused})`,
  () => {
    let daemon: DaemonRig
    const output = join(disk, 'output')
    beforeAll(async () => {
      daemon = await startDaemonRig({ config: { output_tmpdir: output } })
    })
    afterAll(() => daemon?.stop())

    const ask = async (fields: object): Promise<Answer> =>
      undisturbed(daemon, async () => {
        const peer = await connectPeer(daemon.socket)
        peer.ask({ version: 1, type: 'exec', id: 'a', token: daemon.token, ...fields })
        const answer = await peer.answer()
        peer.destroy()
        return answer
      })
    const jobState = async (jobId: unknown) => ask({ type: 'job', action: 'status', job_id: jobId })

    test('output_to_file: the answer comes, and says what is missing', async () => {
      const answer = await ask({ command: 'head -c 2000000 /dev/zero', output_to_file: true })
      // Either the command saw the full disk itself, or the daemon did on its behalf.
      const told =
        answer.status === 'error' || answer['exit_code'] !== 0 || answer['stdout_truncated'] === true
      expect(told, JSON.stringify(answer)).toBe(true)
      for (const name of readdirSync(output)) if (name.startsWith('hl_')) rmSync(join(output, name))
    })

    test('a job that fills the disk ends, and says so', async () => {
      const submitted = await ask({ command: 'head -c 2000000 /dev/zero; echo behind >&2', detach: true })
      expect(submitted).toMatchObject({ status: 'ok', detached: true })
      await until('the job is done', async () => (await jobState(submitted['job_id']))['done'] === true)
      const state = await jobState(submitted['job_id'])
      const told =
        state['exit_code'] !== 0 || state['stdout_truncated'] === true || state['state'] === 'error'
      expect(told, JSON.stringify(state)).toBe(true)
      truncateSync(join(output, 'jobs', String(submitted['job_id']), 'stdout'))
    })

    test('a job cannot begin on a full disk, is refused, and leaves nothing behind', async () => {
      const filler = join(disk, 'filler')
      const jobsBefore = await ask({ type: 'job', action: 'list' })
      fill(filler)
      const answer = await ask({ command: 'true', detach: true })
      expect(answer).toMatchObject({ status: 'error' })
      expect(String(answer.error_msg)).toMatch(/space/i)
      rmSync(filler)
      const jobsAfter = await ask({ type: 'job', action: 'list' })
      expect((jobsAfter['jobs'] as unknown[]).length).toBe((jobsBefore['jobs'] as unknown[]).length)
    })

    test('meanwhile and afterwards commands without files run as ever', async () => {
      const filler = join(disk, 'filler')
      fill(filler)
      const before = descriptors(daemon.pid)
      expect(await ask({ command: 'echo hi' })).toMatchObject({ status: 'ok', stdout: 'hi\n' })
      rmSync(filler)
      for (const name of readdirSync(output)) if (name.startsWith('hl_')) rmSync(join(output, name))
      expect(await ask({ command: 'echo hi', output_to_file: true })).toMatchObject({ status: 'ok' })
      expect(descriptors(daemon.pid)).toBeLessThanOrEqual(before + 2)
    })

    function fill(file: string): void {
      for (let size = 512 * 1024; size >= 1; size = Math.floor(size / 2)) {
        try {
          writeFileSync(file, Buffer.alloc(size), { flag: 'a' })
        } catch {
          // Smaller pieces may still fit.
        }
      }
    }
  },
)
