/** What one process keeps of many commands and of much output: nothing. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { drive } from '../rig/transport-driver.ts'

const MiB = 1024 * 1024
/** HOSTOPS_SOAK=10000 for the whole measure; one in 25 finds a leak of one listener or descriptor for each command. */
const TIMES = Number(process.env['HOSTOPS_SOAK'] ?? 400)

describe.each(['local', 'hostlink'])('%s', target => {
  let daemon: DaemonRig
  let folder: string
  beforeAll(async () => {
    daemon = await startDaemonRig()
    folder = mkdtempSync(join(tmpdir(), 'hostops-soak-'))
  })
  afterAll(async () => {
    await daemon.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const options = () => ({
    env: { ...process.env, HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token },
    jobsFolder: folder,
  })

  it('many commands one after another leave no listener, no descriptor and no memory', async () => {
    const driven = await drive({
      target,
      options: options(),
      argv: ['/bin/true'],
      exec: { keepBytes: 1000 },
      times: TIMES,
    })
    const { result, stderr } = await driven.ended
    expect(stderr).toBe('')
    expect(result).toMatchObject({ kind: 'exited', code: 0, listeners: 0 })
    // Since the first quarter: how many Node itself has open differs by its version.
    expect(Number(result?.['moreDescriptors'])).toBeLessThan(8)
    // The heap and not the resident pages, which the allocator keeps as it likes.
    expect(Number(result?.['heapGrowth'])).toBeLessThan(3 * MiB)
  }, 300_000)

  it.each([false, true])('128 MiB of output leave memory flat (durable: %s)', async durable => {
    const argv = ['sh', '-c', 'yes 0123456789abcde | head -c 134217728']
    const driven = await drive({ target, options: options(), argv, exec: { keepBytes: 1000, durable } })
    const { result } = await driven.ended
    expect(result).toMatchObject({ kind: 'exited', code: 0, stdoutTruncated: true })
    expect(Number(result?.['peak']) - Number(result?.['before'])).toBeLessThan(96 * MiB)
  })
})
