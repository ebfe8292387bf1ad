/** What many upgrades, to good and bad versions, leave behind, on an engine of the test's own. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeStack, ON_HOST, withoutDocker } from '../rig/docker.ts'
import { hostopsRig } from '../rig/hostops.ts'
import { privateEngine } from '../rig/private-engine.ts'

const missing = withoutDocker('many runs')
const KEPT = 3

/** Of every four versions two are good, one crashes at its start, and one never gets ready. */
const KINDS = ['good', 'crashes', 'good', 'not ready'] as const
type Kind = (typeof KINDS)[number]

test.skipIf(missing !== null)(
  'many runs leave no more behind than they may',
  { timeout: 900_000 },
  async ctx => {
    const engine = await privateEngine({ megabytes: 400 })
    if (engine === null) return ctx.skip()
    const { env } = engine
    const rig = hostopsRig()
    const stack = await makeStack({ env, override: ON_HOST })
    const defaults = { repo: stack.dir, dir: stack.dir, files: stack.files, services: ['gateway'] }
    const playbook = (ref: string, kind: Kind) => {
      // What never gets ready is waited for in vain; for the others the time is no limit.
      const timeout = kind === 'not ready' ? '1s' : '60s'
      const poll = { urls: [`${stack.url}/readyz`], timeout, for: '500ms', interval: '100ms' }
      return rig.playbook(
        'upgrade',
        [
          { uses: 'git.fetch' },
          { uses: 'git.checkout', with: { ref } },
          { uses: 'compose.build' },
          { uses: 'compose.up', with: { for: '0s', keepRollbacks: KEPT } },
          { uses: 'health.poll', with: poll },
        ],
        { defaults },
      )
    }
    const dockerfile = stack.read('Dockerfile')
    const files: Record<Kind, Record<string, string>> = {
      good: {},
      crashes: { Dockerfile: `${dockerfile}ENTRYPOINT ["sh", "-c", "echo panic: no cards >&2; exit 3"]\n` },
      'not ready': { READY: 'no\n' },
    }
    const left = () => ({
      dangling: stack.docker('image', 'ls', '-q', '--filter', 'dangling=true'),
      networks: stack.docker('network', 'ls', '--format', '{{.Name}}'),
      volumes: stack.docker('volume', 'ls', '-q'),
    })
    const deployed = async () => (await (await fetch(`${stack.url}/version`)).json()) as { version: string }
    try {
      const before = left()
      let good = 'v1'
      for (let at = 0; at < 3 * KINDS.length; at += 1) {
        const kind = KINDS[at % KINDS.length]!
        const version = `r${at}`
        stack.publish(version, { VERSION: `${version}\n`, ...files[kind] })
        const { report, stderr } = await rig.run(['run', playbook(version, kind)], { env })
        if (kind === 'good') {
          good = version
          expect(report, stderr).toMatchObject({ outcome: 'succeeded', success: true, readyz: true })
        } else {
          expect(report, stderr).toMatchObject({
            ...{ outcome: 'rolled-back', rollbackVerified: true, failedStep: 'health.poll' },
            errorCode: kind === 'crashes' ? 'not-stable' : 'unhealthy',
          })
        }
        expect(await deployed()).toMatchObject({ version: good })
      }
      expect(left()).toEqual(before)
      // The stack's own, and one holder for each way back that is kept.
      expect(stack.compose('ps', '-a', '--format', '{{.Name}}')).toBe(`${stack.project}-gateway-1`)
      expect(stack.holders()).toHaveLength(KEPT)
      expect(stack.docker('ps', '-aq').split('\n')).toHaveLength(1 + KEPT)
      expect(stack.pins()).toHaveLength(KEPT)
      const ours = stack.docker(
        'image',
        'ls',
        '--format',
        '{{.Repository}}',
        '--filter',
        'reference=hostops/*/*',
      )
      expect(new Set(ours.split('\n'))).toEqual(new Set([`hostops/rollback/${stack.project}-gateway`]))
      const [kept, ...others] = readdirSync(join(rig.state, 'rollback'))
      expect(others).toEqual([])
      expect(readdirSync(join(rig.state, 'rollback', kept!)).filter(name => name !== 'dir')).toHaveLength(
        KEPT,
      )
      expect(spawnSync('grep', ['-rls', rig.state, '/var/tmp/hostops-locks']).stdout.toString()).toBe('')
      expect(stack.git('status', '--porcelain', '--ignored')).toBe('!! .env')
    } finally {
      stack.remove()
      await rig.remove()
      await engine.remove()
    }
  },
)
