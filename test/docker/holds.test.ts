/** A runner dies behind `compose.up`, and the stack is another one when somebody goes on. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeStack, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const missing = withoutDocker('whether a stack is still what a dead runner left')
const LIMIT_MS = 300_000

describe.skipIf(missing !== null)('a stack that is not what the journal says', () => {
  let rig: HostopsRig
  let stack: Awaited<ReturnType<typeof makeStack>>
  beforeAll(async () => {
    rig = hostopsRig()
    stack = await makeStack()
  }, LIMIT_MS)
  afterAll(async () => {
    stack.remove()
    await rig.remove()
  }, LIMIT_MS)
  const idOf = (name: string) => stack.docker('image', 'inspect', '--format', '{{.Id}}', name)

  test(
    'is gone on with by nobody, whether its images or its containers are others; as it was it is',
    async () => {
      const defaults = { dir: stack.dir, services: ['gateway'] }
      const steps = [
        { id: 'build', uses: 'compose.build' },
        { id: 'up', uses: 'compose.up', with: { watch: '1s' } },
        { id: 'look', script: `echo on; test -e '${rig.path('go')}' || sleep 600`, effect: 'read' },
      ]
      stack.git('checkout', '-q', 'v2')
      const started = rig.start(['run', rig.playbook('up', steps, { defaults }), '--run-id', 'r'])
      await started.until(/look \| on/)
      started.child.kill('SIGKILL')
      await started.ended
      rig.write('go', '')
      const v2 = idOf(stack.image)

      stack.deploy('v1')
      const built = await rig.run(['resume', 'r'])
      expect(built.report).toMatchObject({ outcome: 'unknown', errorCode: 'no-longer-holds' })
      expect(built.report.error).toContain('what build has done no longer holds')

      stack.docker('tag', v2, stack.image)
      const up = await rig.run(['resume', 'r'])
      expect(up.report).toMatchObject({ outcome: 'unknown', errorCode: 'no-longer-holds' })
      expect(up.report.error).toContain('what up has done no longer holds')

      stack.git('checkout', '-q', 'v2')
      stack.compose('up', '-d', '--no-build')
      expect((await rig.run(['resume', 'r'])).report.outcome).toBe('succeeded')
    },
    LIMIT_MS,
  )
})
