import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { command } from '../../src/steps/command/command.ts'
import { script } from '../../src/steps/command/script.ts'
import { fails } from '../rig/checkout.ts'
import { stepContext } from '../rig/step-context.ts'

let dir: string
const ctx = stepContext()
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hostops-own-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const input = (argv: string[], more: object = {}) => command.schema().parse({ argv, ...more })
const text = (given: object) => script.schema().parse(given)
const log = (word: string) => ['sh', '-c', 'echo "$1" >> "$2"', 'sh', word, join(dir, 'log')]

test('each argument arrives as it is', async () => {
  const odd = ['', ' ', '$(id)', '"\'', 'a\nb', '*', '-n', 'ü']
  const done = await command.act.run(
    ctx,
    input([process.execPath, '-p', 'JSON.stringify(process.argv.slice(1))', '--', ...odd]),
    null,
  )
  expect(JSON.parse(String(done.outputs?.['stdout']))).toEqual(odd)
  // Nobody looked.
  expect(done).toMatchObject({ changed: null, outputs: { exitCode: 0 } })
})

test('JSON on stdout is there as a value', async () => {
  const done = await command.act.run(ctx, input(['echo', '{"a":[1]}'], { effect: 'read' }), null)
  expect(done).toEqual({ changed: false, outputs: { exitCode: 0, stdout: '{"a":[1]}', json: { a: [1] } } })
})

test.each([
  [1_000_000, []],
  [1_100_000, ['its output is larger than 1 MiB: no json']],
])('JSON of %i bytes: a value, or a line that says why not', async (bytes, told) => {
  const said: string[] = []
  const print = `process.stdout.write(JSON.stringify({ a: 'x'.repeat(${bytes}) }))`
  const asked = input([process.execPath, '-e', print], { effect: 'read' })
  const done = await command.act.run({ ...ctx, say: line => said.push(line) }, asked, null)
  expect(said).toEqual(told)
  expect(done.outputs?.['json'] === undefined).toBe(told.length > 0)
})

test('a short JSON is a value beside a stderr without end, and nothing is said of it', async () => {
  const said: string[] = []
  const tell = { ...ctx, say: (line: string) => void said.push(line) }
  const noisy = (stdout: string) =>
    `process.stderr.write('x'.repeat(1_200_000)); process.stdout.write('${stdout}')`
  const run = (stdout: string) =>
    command.act.run(tell, input([process.execPath, '-e', noisy(stdout)], { effect: 'read' }), null)
  expect((await run('{"a":1}')).outputs?.['json']).toEqual({ a: 1 })
  expect((await run('{no json')).outputs?.['json']).toBeUndefined()
  expect(said).toEqual([])
})

test('what is one JSON object only where it was cut is no value', async () => {
  const print = `process.stdout.write('{"a":1}' + '\\n'.repeat(2 ** 20) + 'and more')`
  const done = await command.act.run(ctx, input([process.execPath, '-e', print], { effect: 'read' }), null)
  expect(done.outputs?.['json']).toBeUndefined()
})

test('stdout is kept without escapes, and not without end', async () => {
  const done = await command.act.run(
    ctx,
    input(['sh', '-c', "printf '\\033[2K\\033[31mred\\033[0m\\r\\n'; head -c 200000 /dev/zero | tr '\\0' x"]),
    null,
  )
  expect(String(done.outputs?.['stdout']).startsWith('red\nxxx')).toBe(true)
  expect(String(done.outputs?.['stdout'])).toHaveLength(64 * 1024)
})

test('another exit code is a failure with the last lines', async () => {
  await fails(command.act.run(ctx, input(['sh', '-c', 'echo out; echo why >&2; exit 3']), null), {
    code: 'command-failed',
    exitCode: 3,
    signal: null,
    tail: 'why',
  })
  await fails(command.act.run(ctx, input(['sh', '-c', 'kill -9 $$']), null), {
    exitCode: null,
    signal: 'SIGKILL',
  })
  await fails(command.act.run(ctx, input(['/nowhere']), null), {
    code: 'command-not-started',
    why: 'not-found',
  })
})

test('undo and reactivate run what they say', async () => {
  const given = input(log('do'), { undo: log('undo'), reactivate: true })
  await command.act.run(ctx, given, null)
  expect(await command.undo!.restore!(ctx, given, null)).toEqual({ changed: true })
  expect(await command.undo!.reactivate!(ctx, given, null)).toEqual({ changed: true })
  expect(readFileSync(join(dir, 'log'), 'utf8')).toBe('do\nundo\ndo\n')
})

test.each([
  ['nothing', {}, [], false],
  ['that it changes the host', { changed: true }, [], true],
  ['that it changes the host, and how that is seen', { changed: true, verify: ['true'] }, ['verify'], false],
  ['undo', { undo: ['true'] }, ['restore'], false],
  ['reactivate', { reactivate: true, effect: 'disrupt' }, ['reactivate'], false],
  ['all', { undo: ['a'], reactivate: ['b'], verify: ['c'] }, ['restore', 'reactivate', 'verify'], false],
])('where the playbook says %s, a rollback has these movements', (_what, more, moves, leaves) => {
  const given = input(['true'], more)
  expect(command.plan.moves!(given)).toEqual(moves)
  expect(command.plan.leaves!(given)).toBe(leaves)
})

test('verify is a look, recorded also where it fails; so is a command that only reads', async () => {
  const rig = stepContext()
  const given = (verify: object | string[]) => input(['true'], { verify })
  await command.undo!.verify!(rig, given(['test', 'a', '=', 'a']), null)
  await fails(command.undo!.verify!(rig, given({ script: 'exit 3', shell: 'sh' }), null), {
    code: 'command-failed',
  })
  await command.act.run(rig, input(['true'], { effect: 'read' }), null)
  await command.act.run(rig, input(['true']), null)
  expect(rig.seen.map(({ what, target, saw, ok }) => [what, target, saw, ok])).toEqual([
    ['command', 'test a = a', 'exit code 0', true],
    ['command', 'sh -c exit 3', 'exit code 3', false],
    ['command', 'true', 'exit code 0', true],
  ])
})

test('a script gets its values from the environment', async () => {
  const rig = stepContext({ env: { REF: '$(touch hacked); "' } })
  const done = await script.act.run(rig, text({ script: 'printf %s "$REF"\nexit 0' }), null)
  expect(done.outputs?.['stdout']).toBe('$(touch hacked); "')
  const bash = await script.act.run(rig, text({ script: 'a=(1 2); echo $' + '{#a[@]}', shell: 'bash' }), null)
  expect(bash.outputs?.['stdout']).toBe('2')
})
