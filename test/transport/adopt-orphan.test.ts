/** Durable commands of a runner that is gone, found again by another one: on this machine and at a daemon. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openTransport } from '../../src/transport/connect.ts'
import type { CommandHandle, Transport } from '../../src/transport/transport.ts'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { poll } from '../rig/hostops.ts'

let folder: string
let daemon: DaemonRig
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-overtake-'))
  daemon = await startDaemonRig()
})
afterEach(async () => {
  await daemon.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function open(target: string): Promise<Transport> {
  const env = { ...process.env, HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
  const connected = await openTransport(target, { env, jobsFolder: join(folder, 'jobs') })
  if (!connected.ok) throw new Error(connected.problem)
  return connected.transport
}

/** Begun by a transport that is closed then. */
async function left(target: string, script: string): Promise<CommandHandle> {
  const first = await open(target)
  let started: CommandHandle | null = null
  const argv = ['sh', '-c', `echo on > '${folder}/on'; ${script}`]
  void first.exec(
    { argv },
    { timeoutMs: 30_000, durable: true, key: 'k', onStart: command => (started = command) },
  )
  await poll(() => started !== null && readIfThere(`${folder}/on`) !== null)
  await first.close()
  return started!
}

const readIfThere = (file: string) => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

describe.each(['local', 'hostlink'])('a job at %s', target => {
  const overtake = async (command: CommandHandle, end: boolean, signal = new AbortController().signal) => {
    const transport = await open(target)
    let waited = 0
    const onWaiting = () => {
      waited += 1
    }
    try {
      const how = await transport.overtake!(command, {
        end,
        timeoutMs: 20_000,
        leftBehind: true,
        signal,
        onWaiting,
      })
      return { how, waited }
    } finally {
      await transport.close()
    }
  }

  test('is waited for', async () => {
    const job = await left(target, `sleep 1; echo done > '${folder}/done'`)
    expect(job.kind).toBe('job')
    expect(await overtake(job, false)).toEqual({ how: 'ended', waited: 1 })
    expect(readIfThere(`${folder}/done`)).toBe('done\n')
    expect(await overtake(job, false)).toEqual({ how: 'ended', waited: 0 })
  })

  test('is ended', async () => {
    const job = await left(target, `sleep 20; echo done > '${folder}/done'`)
    expect(await overtake(job, true)).toEqual({ how: 'ended', waited: 1 })
    expect(readIfThere(`${folder}/done`)).toBeNull()
  })

  test('is left running when nobody wants to wait any more', async () => {
    const job = await left(target, 'sleep 20')
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 300)
    expect((await overtake(job, false, stop.signal)).how).toBe('running')
    expect((await overtake(job, true)).how).toBe('ended')
  })

  test('that nobody knows of is not known to have ended', async () => {
    expect(await overtake({ kind: 'job', job: '0123456789ab' }, false)).toEqual({ how: 'unknown', waited: 0 })
  })
})
