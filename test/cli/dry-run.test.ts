/** What a dry run prints of a plan, and a check of steps that no probe looks ahead for: what is known, and what is not. */
import { expect, test } from 'vitest'
import { clock } from '../../src/app/clock.ts'
import { printPlan } from '../../src/cli/print/print-plan.ts'
import { renderDiagnostics } from '../../src/document/print-diagnostics.ts'
import { startCheck } from '../../src/engine/check-plan.ts'
import { makePlan } from '../../src/engine/make-plan.ts'
import { loadPlaybook } from '../../src/playbook/load.ts'
import { kinds } from '../../src/steps/index.ts'

function planned(steps: string, inputs: { [name: string]: string } = {}) {
  const text = `hostops: 1\nname: told\ninputs: { wait: { type: duration, default: 3s } }\nsteps:\n${steps}`
  const loaded = loadPlaybook(text, 'told.yaml', kinds)
  if (!loaded.ok) throw new Error(renderDiagnostics(loaded.diagnostics, 'text'))
  const { playbook } = loaded
  const made = makePlan({ playbook, inputs: { wait: '3s', ...inputs }, env: {}, target: 'local' })
  if (!made.ok) throw new Error(JSON.stringify(made.failure))
  return { playbook, plan: made.plan }
}

const printed = (steps: string, inputs?: { [name: string]: string }): string[] =>
  printPlan(planned(steps, inputs).plan, [])
    .split('\n')
    .map(line => line.trim())

test('each step with its exact command, its effect and its undo', () => {
  const lines = printed(`
  - { id: a, name: Put it there, run: [touch, "a b", $HOME], undo: [rm, -f, "it's"], cwd: /srv }
  - { id: b, run: [make], effect: disrupt, when: "steps.a.exitCode == 0", retry: { attempts: 3, delay: 2s } }
  - { id: c, run: [echo, "\${{ steps.a.stdout }}"], effect: read, continueOnError: true }
  - { id: d, run: [never], when: "\${{ inputs.wait == '4s' }}" }
`)
  expect(lines.slice(1, -1)).toEqual([
    '',
    '1. a: Put it there (command)  [write]',
    "$ touch 'a b' '$HOME'",
    "undo $ rm -f 'it'\\''s'",
    'timeout 5m, in /srv',
    '',
    '2. b (command)  [disrupt]',
    'only when steps.a.exitCode == 0',
    '$ make',
    'undo: none',
    'timeout 5m, 3 attempts 2s apart (times 2)',
    '',
    '3. c (command)  [effect unknown]',
    '$ <unknown: needs steps.a.stdout>',
    'undo: none',
    'timeout 5m, the run goes on when it fails',
    '',
    '4. d (command)  [write]',
    'skipped: its condition does not hold',
    '$ never',
    'undo: none',
    'timeout 5m',
    '',
    'on failure: rollback, within 15m',
    'timeout of the run: 1h',
  ])
})

test('the limit of a step is the one that ends it: its own, or what its input allows', () => {
  const limits = (steps: string, inputs?: { [name: string]: string }) =>
    printed(steps, inputs).filter(line => line.startsWith('timeout ') && !line.includes('of the run'))
  expect(
    limits(`
  - { uses: health.poll, with: { urls: ["http://127.0.0.1/x"], timeout: "\${{ inputs.wait }}" } }
  - { uses: health.poll, with: { urls: ["http://127.0.0.1/x"], timeout: 20s }, timeout: 10s }
  - { uses: http.get, with: { url: "http://127.0.0.1/x" } }
  - { uses: compose.wait, with: { dir: /srv } }
  - { uses: confirm, with: { within: 5m } }
`),
  ).toEqual(['timeout 13s', 'timeout 10s', 'timeout 10s', 'timeout 130s', 'timeout 5m'])
  expect(() =>
    limits('  - { uses: health.poll, with: { urls: ["http://x/"], timeout: "${{ inputs.wait }}" } }\n', {
      wait: '0s',
    }),
  ).toThrow(/a duration: a whole number from 1/)
})

test('a check names the steps that would run, and guesses nothing about what comes of them', async () => {
  const { playbook, plan } = planned(`
  - { id: a, run: [make, install] }
  - { id: b, script: make restart, effect: disrupt, when: "steps.a.exitCode == 0" }
  - { id: c, run: ["true"], effect: read }
  - { id: d, run: [never], when: "\${{ inputs.wait == '4s' }}" }
  - { uses: compose.exec, id: e, with: { dir: /srv, service: db, argv: [dump, "\${{ steps.a.stdout }}"] } }
`)
  const told: string[] = []
  const { ended } = startCheck({
    ...{ runId: 'r', plan, playbook, kinds, inputs: { wait: '3s' }, env: {}, clock },
    transport: { name: 'local', platform: 'posix' } as never,
    emit: event => event.type === 'checked' && told.push(`${event.id} ${event.text}`),
    record: {} as never,
  })
  expect((await ended).outcome).toBe('planned')
  expect(told).toEqual([
    'a would run (write): what it changes is known only then',
    'b would run where its condition holds (disrupt): what it changes is known only then',
    'e would run (effect unknown): what it changes is known only then',
  ])
})
