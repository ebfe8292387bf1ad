import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTransport } from '../../src/transport/connect.ts'
import type { Connected, Transport } from '../../src/transport/transport.ts'
import { type Sshd, sshdMissing, startSshd } from '../rig/sshd.ts'
import { drive } from '../rig/transport-driver.ts'
import { transportContract } from './contract.ts'

const optionsFor = (sshd: Sshd) => ({
  env: { ...process.env, HOSTOPS_SSH_CONFIG: sshd.config },
})

function transportOf(connected: Connected): Transport {
  if (!connected.ok) throw new Error(JSON.stringify(connected))
  return connected.transport
}

const until = async (condition: () => boolean) => {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 600) throw new Error('waited in vain')
    await sleep(50)
  }
}

if (sshdMissing !== null) {
  const reason = sshdMissing
  console.warn(reason)
  describe('ssh', () => it.skip(reason, () => {}))
} else {
  transportContract('ssh', {
    traits: {
      namesSignals: false,
      knowsNotStarted: true,
      exactBytes: true,
      live: true,
      cancels: true,
      endsWithCommand: true,
      durable: true,
      keys: true,
      isSlow: true,
    },
    open: async () => {
      const sshd = await startSshd()
      const target = `ssh:${sshd.destination}`
      const options = optionsFor(sshd)
      const transport = transportOf(await openTransport(target, options))
      const close = async () => {
        await transport.close()
        await sshd.stop()
      }
      return { transport, target, options, close }
    },
  })

  describe('ssh, when things go wrong', () => {
    let folder: string
    let sshd: Sshd
    let transport: Transport | undefined
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'hostops-ssh-test-'))
    })
    afterEach(async () => {
      await transport?.close()
      transport = undefined
      await sshd.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    const open = async (extra: string[] = []) => {
      sshd = await startSshd(extra)
      transport = transportOf(await openTransport('ssh:testhost', optionsFor(sshd)))
      return transport
    }
    const size = (file: string) => (existsSync(file) ? statSync(file).size : 0)
    const beat = 'while :; do echo >> "$1"; sleep 0.05; done'

    it('a key that the host does not take is no outage', async () => {
      sshd = await startSshd()
      const env = { ...process.env, HOSTOPS_SSH_CONFIG: join(sshd.folder, 'config-stranger') }
      expect(await openTransport('ssh:testhost', { env })).toEqual({ ok: false, problem: 'auth-failed' })
    })

    it('nobody listens, no such name, an unknown host key', async () => {
      sshd = await startSshd()
      const { env } = optionsFor(sshd)
      await sshd.stop()
      sshd = await startSshd()
      const dead = readFileSync(sshd.config, 'utf8').replace(/Port \d+/, 'Port 1')
      writeFileSync(join(folder, 'dead'), dead)
      const tried = (config: string, target = 'ssh:testhost') =>
        openTransport(target, { env: { ...env, HOSTOPS_SSH_CONFIG: config } })
      expect(await tried(join(folder, 'dead'))).toMatchObject({
        problem: 'unreachable',
        reason: expect.stringContaining('Connection refused'),
        hint: expect.stringContaining('sshd'),
      })
      expect(await tried(sshd.config, 'ssh:no-such-host.invalid')).toMatchObject({
        problem: 'unreachable',
        hint: expect.stringContaining('name'),
      })
      writeFileSync(join(sshd.folder, 'known_hosts'), '')
      expect(await tried(sshd.config)).toMatchObject({
        problem: 'unreachable',
        reason: expect.stringContaining('key is not known'),
      })
    })

    it.each(['-oProxyCommand=x', '', 'a b', 'a\nb'])('%j is no destination', async destination => {
      sshd = await startSshd()
      expect(await openTransport(`ssh:${destination}`, optionsFor(sshd))).toMatchObject({
        problem: 'bad-target',
      })
    })

    it('a command that exits with 255 has not lost its link', async () => {
      const result = await (await open()).exec({ argv: ['sh', '-c', 'exit 255'] }, { timeoutMs: 20_000 })
      expect(result).toMatchObject({ kind: 'exited', code: 255 })
    })

    it('output that looks like a report, and what login scripts say, stay what they are', async () => {
      const noisy = `ForceCommand sh -c 'echo noise; echo noise >&2; exec sh -c "$SSH_ORIGINAL_COMMAND"'`
      const script = 'echo "0123456789abcdef0123456789abcdef exit 0" >&2; printf "0123" >&2; exit 9'
      const result = await (await open([noisy])).exec({ argv: ['sh', '-c', script] }, { timeoutMs: 20_000 })
      expect(result).toMatchObject({ kind: 'exited', code: 9 })
      if (result.kind !== 'exited') return
      expect(result.stdout.toString()).toBe('')
      expect(result.stderr.toString()).toBe('0123456789abcdef0123456789abcdef exit 0\n0123')
    })

    it('more commands than the host takes sessions', async () => {
      const { exec } = await open(['MaxSessions 3'])
      const results = await Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          exec({ argv: ['sh', '-c', `exit ${index}`] }, { timeoutMs: 20_000 }),
        ),
      )
      expect(results.map(result => result.kind === 'exited' && result.code)).toEqual([0, 1, 2, 3, 4, 5])
    })

    it('the connection dies under a command: lost, the command is ended, and the next one connects anew', async () => {
      const { exec } = await open()
      const file = join(folder, 'beat')
      const running = exec({ argv: ['sh', '-c', beat, 'sh', file] }, { timeoutMs: 60_000 })
      await until(() => size(file) > 3)
      sshd.killSessions()
      expect(await running).toMatchObject({ kind: 'lost' })
      // The far end notices by itself.
      let before = -1
      await until(() => {
        const still = size(file) === before
        before = size(file)
        return still
      })
      expect(await exec({ argv: ['echo', 'again'] }, { timeoutMs: 20_000 })).toMatchObject({
        kind: 'exited',
        code: 0,
      })
    })

    it('the connection dies under a durable command: found again, nothing missing, nothing twice', async () => {
      const { exec } = await open()
      const file = join(folder, 'count')
      const script =
        'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; echo x >> "$1"; sleep 0.05; done; exit 3'
      const seen: string[] = []
      const running = exec(
        { argv: ['sh', '-c', script, 'sh', file] },
        { timeoutMs: 60_000, durable: true, onOutput: (_, chunk) => seen.push(chunk.toString()) },
      )
      await until(() => seen.join('').includes('line 5\n'))
      sshd.killSessions()
      expect(await running).toMatchObject({ kind: 'exited', code: 3 })
      expect(seen.join('')).toBe(Array.from({ length: 60 }, (_, index) => `line ${index + 1}\n`).join(''))
      expect(size(file)).toBe(120)
    })

    it('this process is killed: the command ends, and no master stays behind', async () => {
      sshd = await startSshd()
      const file = join(folder, 'beat')
      const options = optionsFor(sshd)
      const driven = await drive({
        target: 'ssh:testhost',
        options,
        argv: ['sh', '-c', beat, 'sh', file],
        exec: {},
      })
      await until(() => size(file) > 3)
      driven.kill()
      await driven.ended
      let before = -1
      await until(() => {
        const still = size(file) === before
        before = size(file)
        return still
      })
      const masters = () =>
        readdirSync('/proc').filter(pid => {
          try {
            return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(sshd.config)
          } catch {
            return false
          }
        })
      await until(() => masters().length === 0)
    })

    it('a program that shows nothing of the command to others on the host', async () => {
      const { exec } = await open()
      // Not a pipeline: a shell that has forked for it, and not yet become the program, would be seen as well.
      const list = 'cat /proc/[0-9]*/cmdline; true'
      const result = await exec({ argv: ['sh', '-c', list, 'the-needle'] }, { timeoutMs: 20_000 })
      if (result.kind !== 'exited') throw new Error(result.kind)
      // Once: the command itself, and in no shell around it.
      expect(
        result.stdout
          .toString()
          .split('\0')
          .filter(word => word === 'the-needle'),
      ).toHaveLength(1)
    })
  })
}
