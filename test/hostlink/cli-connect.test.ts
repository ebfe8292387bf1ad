/** Reaching a daemon that does not take connections. */
import { expect, test } from 'vitest'
import { startFrozenListener } from '../rig/frozen-listener.ts'
import { hostlink, startHostlink } from '../rig/hostlink-cli.ts'

const TOKEN = { HOSTLINK_TOKEN: 'token' }

test.each([[['-C', '700']], [['--connect-timeout=700']]])(
  '%j is how long a connection may take',
  async option => {
    await using frozen = await startFrozenListener()
    const address = `127.0.0.1:${frozen.port}`
    const began = performance.now()
    const patient = startHostlink(['-a', address, '-C', '60000', 'ping'], { env: TOKEN })
    try {
      const { code, stdout, stderr } = await hostlink(['-a', address, ...option, 'ping'], { env: TOKEN })
      expect(performance.now() - began).toBeGreaterThan(690)
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toMatch(new RegExp(`^Cannot connect to ${address}: Connection timed out\n`))
      expect(patient.child.exitCode).toBe(null)
    } finally {
      patient.child.kill('SIGKILL')
      await patient.ended
    }
  },
)

test('without it, five seconds', async () => {
  await using frozen = await startFrozenListener()
  const began = performance.now()
  const { code } = await hostlink(['-a', `127.0.0.1:${frozen.port}`, 'exec', 'true'], { env: TOKEN })
  expect(code).toBe(2)
  expect(performance.now() - began).toBeGreaterThan(4990)
})

test.each(['0', '-1', 'soon', ''])('-C %j is no time', async value => {
  const { code, stderr } = await hostlink([`--connect-timeout=${value}`, 'ping'], { env: TOKEN })
  expect(code).toBe(7)
  expect(stderr).toContain('--connect-timeout')
})
