/** A step by step run with a token that may not: the error says which token it needs. */
import { writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const TOKEN = 'narrow-token-0123456789'
let rig: HostopsRig
let daemon: DaemonRig | null = null
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(async () => {
  await daemon?.stop()
  daemon = null
  await rig.remove()
})

test.each([
  [
    'allowlist',
    { allow: [{ argv: ['touch', '/srv/touched'] }] },
    /allowlist of token agent: no rule/,
    'an allowlist serves hostlink exec only; hostops needs a token with policy playbooks (hostops run NAME --target hostlink --on-host) or full',
  ],
  [
    'playbooks',
    { playbooks: [] },
    /policy playbooks of token agent: exec is not allowed, only run/,
    'this token starts reviewed playbooks only: hostops run NAME --target hostlink --on-host',
  ],
])('policy %s', async (policy, more, rule, hint) => {
  const tokenFile = rig.path('token')
  writeFileSync(tokenFile, TOKEN, { mode: 0o600 })
  const agent = { token_file: tokenFile, policy, ...more }
  const policyFile = rig.path('policy.yaml')
  writeFileSync(policyFile, JSON.stringify({ tokens: { agent } }))
  daemon = await startDaemonRig({ config: { policy_file: policyFile } })
  const ended = await rig.run(
    ['run', rig.playbook('touch', [{ run: ['touch', rig.path('touched')] }]), '--target', 'hostlink'],
    { env: { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: TOKEN } },
  )
  expect(ended.code).toBe(3)
  expect(ended.report).toMatchObject({ outcome: 'refused', errorCode: 'denied', changed: false })
  expect(ended.report.error).toMatch(rule)
  expect(ended.stderr.replace(/\s+/g, ' ')).toContain(hint)
  expect(rig.exists('touched')).toBe(false)
})
