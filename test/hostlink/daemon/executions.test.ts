/** The slots of running commands, whatever becomes of the commands. */
import { expect, test } from 'vitest'
import { createExecutions, type ExecutionOptions } from '../../../src/hostlink/daemon/exec/executions.ts'

const command = (
  argv: string[],
  more: Partial<ExecutionOptions> & { onStart?: () => void } = {},
): ExecutionOptions => ({
  process: { argv, env: { PATH: process.env['PATH'] ?? '' }, onStart: more.onStart },
  owner: 'a',
  key: more.key,
  identity: null,
  keepFirst: { stdout: 1024, stderr: 1024 },
  keepLast: 0,
  files: more.files ?? null,
})

test.each<[string, ExecutionOptions]>([
  ['ended', command(['true'])],
  ['could not be started', command(['/nowhere/such-program'])],
  ['has no place for its output', command(['true'], { files: { folder: '/dev/null/nowhere', id: 'a' } })],
])('a command that %s gives its slot back before anybody hears of its end', async (_, options) => {
  const runs = createExecutions()
  const run = runs.start(options)
  expect(runs.active).toBe(1)
  await run.ended
  expect(runs.active).toBe(0)
  await runs.shutdown()
})

test('so does one that breaks in a way that nobody foresaw, and it holds up no shutdown', async () => {
  const runs = createExecutions()
  const broken = () =>
    runs.start(
      command(['true'], {
        onStart: () => {
          throw new Error('unforeseen')
        },
      }),
    )
  await expect(broken().ended).rejects.toThrow('unforeseen')
  expect(runs.active).toBe(0)
  void broken().ended.catch(() => {})
  await runs.shutdown()
  expect(runs.active).toBe(0)
})
