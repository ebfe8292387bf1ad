/** What twenty upgrades, good and bad, leave behind, on an engine of the test's own. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeStack, ON_HOST, withoutDocker } from '../rig/docker.ts'
import { hostopsRig } from '../rig/hostops.ts'
import { privateEngine } from '../rig/private-engine.ts'

const missing = withoutDocker('twenty runs')

test.skipIf(missing !== null)(
  'twenty runs leave no more behind than they may',
  { timeout: 900_000 },
  async ctx => {
    const engine = await privateEngine({ megabytes: 400 })
    if (engine === null) return ctx.skip()
    const { env } = engine
    const rig = hostopsRig()
    const stack = await makeStack({ env, override: ON_HOST })
    const defaults = { repo: stack.dir, dir: stack.dir, files: stack.files, services: ['gateway'] }
    const playbook = (ref: string, good: boolean) =>
      rig.playbook(
        'upgrade',
        [
          { uses: 'git.fetch' },
          { uses: 'git.checkout', with: { ref } },
          { uses: 'compose.build' },
          { uses: 'compose.up', with: { watch: '0s', keepRollbacks: 3 } },
          { id: 'look', run: [good ? 'true' : 'false'], effect: 'read' },
        ],
        { defaults },
      )
    const dangling = () => stack.docker('image', 'ls', '-q', '--filter', 'dangling=true')
    const networks = () => stack.docker('network', 'ls', '--format', '{{.Name}}')
    try {
      const before = { dangling: dangling(), networks: networks() }
      for (let at = 0; at < 20; at += 1) {
        const good = at % 2 === 0
        stack.publish(`r${at}`, { VERSION: `r${at}\n` })
        const { report } = await rig.run(['run', playbook(`r${at}`, good)], { env })
        expect(report.outcome).toBe(good ? 'succeeded' : 'rolled-back')
      }
      expect({ dangling: dangling(), networks: networks() }).toEqual(before)
      expect(stack.containers()).toHaveLength(1)
      expect(stack.holders()).toHaveLength(3)
      expect(stack.docker('ps', '-aq').split('\n')).toHaveLength(4)
      expect(stack.pins()).toHaveLength(3)
      expect(stack.docker('image', 'ls', '-q', 'hostops/failed/*')).toBe('')
      const [kept] = readdirSync(join(rig.state, 'rollback'))
      expect(readdirSync(join(rig.state, 'rollback', kept!)).filter(name => name !== 'dir')).toHaveLength(3)
      expect(spawnSync('grep', ['-rls', rig.state, '/var/tmp/hostops-locks']).stdout.toString()).toBe('')
      expect(stack.git('status', '--porcelain', '--ignored')).toBe('!! .env')
    } finally {
      stack.remove()
      await rig.remove()
      await engine.remove()
    }
  },
)
