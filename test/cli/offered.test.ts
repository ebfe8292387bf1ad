/** What a lying host tells of its playbooks: nothing of it steers a terminal, or is typed by who is shown it. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { type ScriptedDaemon, startScripted } from '../rig/scripted-daemon.ts'

const EVIL = 'a\u001b]0;x\u0007\u009b31m\u202e\rb'
const STEERS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/

let rig: HostopsRig
let daemon: ScriptedDaemon | null = null
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(async () => {
  await daemon?.stop()
  await rig.remove()
})

const input = { name: 'ref', type: 'ref', description: EVIL, from: 'default', value: EVIL, pattern: EVIL }
const playbook = { name: 'p', description: `${EVIL}\n${EVIL}`, digest: null, inputs: [input], problem: null }

async function asked(playbooks: unknown, ...args: string[]) {
  daemon = await startScripted((_, reply) => reply.answer({ playbooks }))
  const at = daemon.endpoint.at as { path: string }
  const env = { HOSTLINK_SOCKET: at.path, HOSTLINK_TOKEN: 'scripted' }
  return rig.run([...args, '--target', 'hostlink'], { env })
}

test.each([['list'], ['show', 'p'], ['list', '--json'], ['show', 'p', '--json']])(
  '%s of a host',
  async (...args) => {
    const { code, stdout, stderr } = await asked(
      [playbook, { ...playbook, name: EVIL, problem: EVIL }],
      ...args,
    )
    expect(code).toBe(0)
    expect(stdout).not.toMatch(STEERS)
    expect(stderr).toBe('')
    if (args.includes('--json')) expect([JSON.parse(stdout)].flat()[0]).toMatchObject({ inputs: [input] })
  },
)

test.each([
  ['nothing', undefined],
  ['no list', { p: 1 }],
  ['no playbook', [{ name: 'p' }]],
  ['an input that is a command', [{ ...playbook, inputs: [{ ...input, name: 'a=1; rm -rf /' }] }]],
  ['a value that is an object', [{ ...playbook, inputs: [{ ...input, value: { toString: 1 } }] }]],
])('a host that tells %s is not believed', async (_, playbooks) => {
  const { code, stdout, stderr } = await asked(playbooks, 'show', 'p')
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toBe('error: what hostlink tells of its playbooks cannot be read\n')
})
