/** The value of a secret stands in nothing that a run prints or keeps, whichever way it goes and wherever it fails. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'

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
  ['a step that prints it', [tells], [], 'rolled-back'],
  ['a program whose name holds it', [named], [], 'failed-unchanged'],
  ['events for programs', [tells], ['--output', 'json'], 'rolled-back'],
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

test('the commands of the process that stands by get the secrets that their steps name, and no others', async () => {
  const steps = [
    { id: 'first', run: ['true'], undo: ['sh', '-c', `env >${rig.path('seen')}`] },
    {
      id: 'named',
      run: ['true'],
      undo: ['sh', '-c', `printf %s "$T" >${rig.path('given')}`],
      env: { T: '${{ inputs.token }}' },
    },
    { id: 'second', run: ['true'], undo: ['sleep', '1'] },
    { id: 'third', run: ['sh', '-c', `touch ${rig.path('third')}; exec sleep 60`], undo: ['true'] },
  ]
  const file = rig.playbook('dies', steps, { inputs })
  const { child, ended } = rig.start(['run', file, '-i', `token=${SECRET}`, '--run-id', 'r'])
  await poll(() => rig.exists('third'))
  child.kill('SIGTERM')
  await new Promise(resolve => setTimeout(resolve, 300))
  child.kill('SIGKILL')
  expect((await ended).signal).toBe('SIGKILL')
  await poll(() => rig.exists('state/runs/r/report.json'))
  expect(rig.read('seen')).toContain('PATH=')
  expect(rig.read('seen')).not.toContain('Sup3r')
  expect(rig.read('given')).toBe(SECRET)
})

/** Nothing of a secret, not even a part of it, in what was printed and in what is kept. */
function expectNothingOf(secret: string, ended: Awaited<ReturnType<HostopsRig['run']>>): void {
  const kept = rig.everythingIn('state')
  expect(kept).toContain(ended.report.runId)
  for (const [where, text] of Object.entries({ kept, stdout: ended.stdout, stderr: ended.stderr }))
    for (let at = 0; at + 6 <= secret.length; at += 1)
      if (text.includes(secret.slice(at, at + 6)))
        expect.soft(`${where}: ${secret.slice(at, at + 6)}`).toBe('')
}

describe('where a text is cut', () => {
  const letters = (count: number) => `head -c ${count} /dev/zero | tr '\\0' x`
  const env = { T: '${{ inputs.token }}' }
  const sh = (script: string, more: object = {}) => ({ run: ['sh', '-c', script], env, ...more })
  const cuts = Array.from({ length: 13 }, (_, k) =>
    sh(`${letters(4090 - 2 * k)}; sleep 0.01; printf %s "$T"; ${letters(4080 + k)}; printf %s "$T"`),
  )
  const atMark = sh(
    `${letters(4 * 1024 * 1024 - 9)}; printf %s "$T"; ${letters(200_000)}; yes "$T" | head -n 3500`,
  )

  test.each([
    ['lines of output', cuts, 'lines'],
    ['lines of output', cuts, 'json'],
    ['lines of output', cuts, 'tree'],
    ['an output of which only the beginning and the end are kept', [atMark], 'lines'],
    ['what a step gives to others', [sh(`${letters(65_530)}; printf %s "$T"`)], 'json'],
    ['an output that is too much to be kept', [sh(`${letters(1024 * 1024 - 9)}; printf %s "$T"`)], 'json'],
    [
      'the end of an error',
      [sh(`${letters(50)} >&2; for n in 1 2 3; do printf %s "$T" >&2; ${letters(4075)} >&2; done; exit 3`)],
      'json',
    ],
    [
      'the end of what ran out of time',
      [sh(`printf %s "$T" >&2; ${letters(1990)} >&2; exec sleep 60`, { timeout: '1s' })],
      'json',
    ],
  ])('%s (%#)', async (_what, steps, face) => {
    const file = rig.playbook('tells', steps, { inputs })
    const ended = await rig.run(['run', file, '-i', `token=${SECRET}`, '--output', face])
    expect(rig.everythingIn('state')).toMatch(/x{40}/)
    expectNothingOf(SECRET, ended)
  })
})

test('a key of many lines, as long as an input may be', async () => {
  const line = (n: number) => `${n}`.padStart(5, 'K').repeat(12)
  const key = Array.from({ length: 1000 }, (_, n) => line(n)).join('\n')
  const file = rig.playbook(
    'tells',
    [{ ...tells, run: ['sh', '-c', 'echo "$T"; echo "$T" | base64; exit 3'] }],
    { inputs },
  )
  const ended = await rig.run(['run', file, '-i', `token=@${rig.write('key', key)}`])
  expect(ended.report.errorCode).toBe('command-failed')
  const all = ended.stdout + ended.stderr + rig.everythingIn('state')
  for (const n of [0, 1, 500, 999]) expect(all).not.toContain(line(n))
  for (const [encoded] of Buffer.from(key).toString('base64').matchAll(/.{76}/g))
    expect(all).not.toContain(encoded)
})

test('a secret in one line, as long as an input may be', async () => {
  const key = Array.from({ length: 13_000 }, (_, n) => `${n}`.padStart(5, 'K')).join('')
  const file = rig.playbook('tells', [{ ...tells, run: ['sh', '-c', 'printf "%s" "$T"; exit 3'] }], {
    inputs,
  })
  const ended = await rig.run(['run', file, '-i', `token=@${rig.write('key', key)}`])
  expect(ended.report.errorCode).toBe('command-failed')
  expect(ended.stdout + ended.stderr + rig.everythingIn('state')).not.toMatch(/KKKK1|K6500|12999/)
})

describe('a value in the wrong place is not quoted', () => {
  const playbook = {
    inputs: {
      token: { type: 'secret', optional: true },
      pattern: { type: 'secret', optional: true, pattern: 'a+' },
    },
  }
  test.each<[string, string[]]>([
    ['without a name', ['-i', 'hunter2hunter2']],
    ['without a name, in base64', ['-i', 'aHVudGVyMmh1bnRlcjI=']],
    ['without a name, in base64 with more padding', ['-i', 'aHVudGVyMmh1bnRlcg==']],
    ['behind @', ['-i', 'token=@hunter2hunter2']],
    ['that does not fit', ['-i', 'pattern=hunter2hunter2']],
    ['that is too short', ['-i', 'token=hu2']],
    ['as an option of its own', ['--token=hunter2hunter2']],
    ['as an argument', ['token=hunter2hunter2']],
    ['as JSON', ['--inputs', '{"token":"hunter2hunter2"}']],
    ['as JSON, to a host', ['--inputs', '{"token":"hunter2hunter2"}', '--on-host']],
    ['without a name, to a host', ['-i', 'hunter2hunter2', '--on-host']],
    ['behind @, to a host', ['-i', 'token=@hunter2hunter2', '--on-host']],
  ])('%s', async (_what, args) => {
    const file = rig.playbook('tells', [{ run: ['true'] }], playbook)
    const ended = await rig.run(['run', file, ...args])
    expect(ended.report.outcome).toBe('invalid')
    expect(ended.stdout + ended.stderr + rig.everythingIn('.')).not.toMatch(/hunter2|aHVudG|hu2/)
  })

  test('in a playbook, beside a mistake', async () => {
    const file = rig.write(
      'wrong.yaml',
      'hostops: 1\nname: wrong\ninputs: { token: { type: secret, default: hunter2, defualt: hunter2, oneOf: [hunter2], x: 1 } }\nsteps: [{ run: [date] }]\n',
    )
    const ended = await rig.start(['validate', file]).ended
    expect(ended.stdout).toContain('did you mean `default`')
    expect(ended.stdout).not.toContain('hunter2')
  })

  test('in the settings, beside a mistake', async () => {
    const settings = 'inputs: { tells: { token: hunter2hunter2, other: [hunter2] } }\nkeepRun: 1\n'
    const config = rig.write('config.yaml', settings)
    const file = rig.playbook('tells', [{ run: ['true'] }], playbook)
    const ended = await rig.run(['run', file, '--config', config])
    expect(ended.report.errorCode).toBe('settings-invalid')
    expect(ended.stderr).toContain('did you mean `keepRuns`')
    expect(ended.stdout + ended.stderr + rig.everythingIn('state')).not.toContain('hunter2')
  })
})
