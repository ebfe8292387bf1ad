/** The value of a secret stands in nothing that a run prints or keeps, whichever way it goes and wherever it fails. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const SECRET = 'Sup3r/s3cret+"pass word'
const BASE64 = Buffer.from(SECRET).toString('base64').slice(0, 24)

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(() => rig.remove())

const inputs = { token: { type: 'secret' } }
const tells = {
  run: ['sh', '-c', 'echo "$T"; printf %s "$T" | base64; echo "no $T" >&2; exit 3'],
  env: { T: '${{ inputs.token }}' },
}
const checked = { uses: 'git.dirty-check', with: { repo: '/nowhere-${{ inputs.token }}' } }
const named = { run: ['/nowhere-${{ inputs.token }}', '${{ inputs.token }}'] }

test.each([
  ['a step that prints it', [tells], [], 'rollback-failed'],
  ['a program whose name holds it', [named], [], 'failed-unchanged'],
  ['events for programs', [tells], ['--output', 'json'], 'rollback-failed'],
  ['a dry run', [tells, checked, named], ['--dry-run'], 'planned'],
  ['a check that fails', [checked], ['--check'], 'failed-unchanged'],
  ['a check before the run that fails', [checked], ['--plan', 'abc'], 'failed-unchanged'],
])('%s', async (_what, steps, options, outcome) => {
  const file = rig.playbook('tells', steps, { inputs })
  const ended = await rig.run(['run', file, '-i', `token=${SECRET}`, ...options])
  expect(ended.report.outcome).toBe(outcome)
  const kept = rig.everythingIn('state')
  expect(kept).toContain(ended.report.runId)
  for (const [where, text] of Object.entries({ kept, stdout: ended.stdout, stderr: ended.stderr })) {
    expect.soft(text, where).not.toContain('s3cret')
    expect.soft(text, where).not.toContain(BASE64)
  }
})

test('a file of inputs that is no JSON is not quoted', async () => {
  const file = rig.playbook('tells', [tells], { inputs })
  const json = rig.write('inputs.json', `{"token": ${SECRET}}`)
  const ended = await rig.run(['run', file, '--inputs', json])
  expect(ended.report.outcome).toBe('invalid')
  expect(ended.stdout + ended.stderr).not.toContain('Sup3r')
})
