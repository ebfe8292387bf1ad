import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hostlink, reaching } from '../rig/hostlink-cli.ts'
import { type Misbehaviour, type OldDaemon, startOldDaemon } from '../rig/old-daemon.ts'

let daemon: OldDaemon
let dir: string
beforeAll(async () => {
  daemon = await startOldDaemon()
  dir = await mkdtemp(join(tmpdir(), 'hostlink-cli-'))
})
afterAll(async () => {
  await daemon.stop()
  await rm(dir, { recursive: true, force: true })
})

const code = async (args: string[], env: Record<string, string> = {}) =>
  (await hostlink(args, { env: { ...reaching(daemon), ...env } })).code

const against = async (misbehave: Misbehaviour, args: string[], env: Record<string, string> = {}) => {
  const liar = await startOldDaemon({ misbehave })
  try {
    return (await hostlink(args, { env: { ...reaching(liar), ...env } })).code
  } finally {
    await liar.stop()
  }
}

const PASS = { HOSTLINK_EXIT_CODES: 'passthrough' }

describe('exit codes', () => {
  test('0: the command ended well', async () => expect(await code(['exec', 'true'])).toBe(0))
  test('0: ping', async () => expect(await code(['ping'])).toBe(0))
  test('0: help and version need no token', async () => {
    expect((await hostlink(['--help'])).code).toBe(0)
    expect((await hostlink(['--version'])).code).toBe(0)
  })
  test('1: the command failed, whatever its code', async () => {
    expect(await code(['exec', 'exit 42'])).toBe(1)
  })
  test('1: with -j too', async () => expect(await code(['-j', 'exec', 'exit 42'])).toBe(1))
  test('1: the command was not found', async () => expect(await code(['exec', 'no-such-thing'])).toBe(1))
  test('2: no socket', async () => expect(await code(['-s', join(dir, 'none'), 'ping'])).toBe(2))
  test('2: nobody listens', async () => expect(await code(['-a', '127.0.0.1:1', 'ping'])).toBe(2))
  test('2: a file that is no socket', async () => {
    await writeFile(join(dir, 'file'), '')
    expect(await code(['-s', join(dir, 'file'), 'ping'])).toBe(2)
  })
  test('3: wrong token', async () => expect(await code(['-k', 'wrong', 'exec', 'true'])).toBe(3))
  test('4: busy', async () => expect(await against('busy', ['exec', 'true'])).toBe(4))
  test('4: workdir', async () => expect(await code(['-w', '/no/such', 'exec', 'true'])).toBe(4))
  test('4: no such job', async () => expect(await code(['job', 'status', '0123456789ab'])).toBe(4))
  test('5: the command ran into its limit', async () => {
    expect(await code(['-T', '200', 'exec', 'sleep 20'])).toBe(5)
  })
  test.each([
    'no-answer',
    'garbage',
    'bad-json',
    'not-an-object',
    'wrong-id',
    'no-id',
    'wrong-types',
    'half-frame',
    'oversized',
  ] satisfies Misbehaviour[])('6: %s', async misbehave => {
    expect(await against(misbehave, ['exec', 'true'])).toBe(6)
  })
  test('7: unknown option', async () => expect(await code(['--frobnicate'])).toBe(7))
  test('7: unknown subcommand', async () => expect(await code(['exce', 'true'])).toBe(7))
  test('7: no subcommand', async () => expect(await code([])).toBe(7))
  test('7: exec without a command', async () => expect(await code(['exec'])).toBe(7))
  test('7: a value that is none', async () => expect(await code(['-T', 'soon', 'exec', 'true'])).toBe(7))
  test('7: a value that is missing', async () => expect(await code(['ping', '-T'])).toBe(7))
  test('7: missing targets file', async () => {
    expect(await code(['-F', join(dir, 'none.conf'), '-t', 'a', 'ping'])).toBe(7)
  })
  test('7: no token', async () => expect((await hostlink(['ping'])).code).toBe(7))
  test('7: missing token file', async () => {
    expect(await code(['--token-file', join(dir, 'none'), 'ping'])).toBe(7)
  })
  test('7: --stream that the daemon does not offer', async () => {
    expect(await code(['--stream', 'exec', 'true'])).toBe(7)
  })
})

describe('passthrough', () => {
  test('the code of the command', async () => expect(await code(['exec', 'exit 42'], PASS)).toBe(42))
  test('by option', async () => expect(await code(['--passthrough', 'exec', 'exit 43'])).toBe(43))
  test('0', async () => expect(await code(['exec', 'true'], PASS)).toBe(0))
  test('124: limit', async () => expect(await code(['-T', '200', 'exec', 'sleep 20'], PASS)).toBe(124))
  test('125: connect', async () => expect(await code(['-s', '/none', 'ping'], PASS)).toBe(125))
  test('125: token', async () => expect(await code(['-k', 'wrong', 'ping'], PASS)).toBe(125))
  test('125: busy', async () => expect(await against('busy', ['exec', 'true'], PASS)).toBe(125))
  test('125: no answer', async () => expect(await against('no-answer', ['exec', 'true'], PASS)).toBe(125))
  test('125: arguments', async () => expect(await code(['--frobnicate'], PASS)).toBe(125))
  test('125 of the command itself is told apart in words', async () => {
    const end = await hostlink(['exec', 'exit 125'], { env: { ...reaching(daemon), ...PASS } })
    expect(end.code).toBe(125)
    expect(end.stderr).toContain(
      "[oldhost] note: remote exited 125, which collides with hostlink's reserved range",
    )
  })
})
