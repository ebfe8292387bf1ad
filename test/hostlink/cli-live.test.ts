/** What our daemon adds, from the command line: exact bytes while they come, and words that no shell sees. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { HOSTLINK, hostlink, reaching, startHostlink, steady } from '../rig/hostlink-cli.ts'
import { isRunning } from '../rig/observe.ts'

let daemon: DaemonRig
let dir: string
beforeAll(async () => {
  daemon = await startDaemonRig({ config: { node_name: 'ours' } })
  dir = mkdtempSync(join(tmpdir(), 'hostlink-live-'))
})
afterAll(async () => {
  await daemon.stop()
  rmSync(dir, { recursive: true, force: true })
})
const run = (...args: string[]) => hostlink(args, { env: reaching(daemon) })

describe('--stream', () => {
  test('exact bytes, and the head line at the end', async () => {
    const { bytes, stderr, code } = await run(
      'exec',
      '--stream',
      'printf "a\\377\\000b"; echo err >&2; exit 7',
    )
    expect(bytes).toEqual(Buffer.from([97, 255, 0, 98]))
    expect([steady(stderr), code]).toEqual(['err\n[ours] exit=7 time=Nms\n', 1])
  })
  test('while the command still runs', async () => {
    const gate = join(dir, 'gate')
    const cli = startHostlink(['--stream', 'exec', `echo early; until [ -e ${gate} ]; do sleep 0.02; done`], {
      env: reaching(daemon),
    })
    const first = await new Promise(resolve => cli.child.stdout!.once('data', resolve))
    expect(String(first)).toBe('early\n')
    expect(cli.child.exitCode).toBe(null)
    await run('exec', `touch ${gate}`)
    expect((await cli.ended).code).toBe(0)
  })
  test('much of it, read slowly, is whole', async () => {
    const megabytes = 20
    const child = spawn(process.execPath, [HOSTLINK, '--stream', 'exec', `yes | head -c ${megabytes}M`], {
      env: { PATH: process.env['PATH'], ...reaching(daemon) },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const hash = createHash('sha256')
    let pauses = 0
    for await (const chunk of child.stdout) {
      hash.update(chunk)
      if (++pauses % 20 === 0) await new Promise(resolve => setTimeout(resolve, 2))
    }
    const whole = createHash('sha256').update(Buffer.alloc(megabytes * 1_048_576, 'y\n'))
    expect(hash.digest('hex')).toBe(whole.digest('hex'))
  })
  test('a timeout comes behind what there was', async () => {
    const { stdout, stderr, code } = await run('--stream', '-T', '300', 'exec', 'echo part; sleep 20')
    expect([stdout, steady(stderr), code]).toEqual(['part\n', '[ours] timeout after Nms\n', 5])
  })
  test('when the reader goes away the command ends, without a word', async () => {
    const file = join(dir, 'yes.pid')
    const shell = `"$0" "$1" --stream exec 'echo $$ > ${file}; exec yes' | head -c 2`
    const child = spawn('sh', ['-c', shell, process.execPath, HOSTLINK], {
      env: { PATH: process.env['PATH'], ...reaching(daemon) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', data => {
      said += data
    })
    child.stdout.resume()
    await new Promise(resolve => child.on('close', resolve))
    expect(said).toBe('')
    const pid = Number(readFileSync(file, 'utf8'))
    for (let tries = 0; isRunning(pid) && tries < 2000; tries += 1)
      await new Promise(resolve => setTimeout(resolve, 10))
    expect(isRunning(pid)).toBe(false)
  })
  test.each(['-j', '-D', '-O'])('not together with %s', async option => {
    const { code, stderr } = await run('--stream', option, 'exec', 'true')
    expect(code).toBe(7)
    expect(stderr).toMatch(/^--stream and --\S+ cannot be used together\n$/)
  })
})

describe('--argv', () => {
  test('no shell looks at the words', async () => {
    const { stdout, stderr } = await run(
      'exec',
      '--argv',
      'printf',
      '%s|',
      'a b',
      '$HOME',
      '`id`',
      ';',
      "'",
      '',
    )
    expect(stdout).toBe("a b|$HOME|`id`|;|'||")
    expect(steady(stderr)).toBe('[ours] exit=0 time=Nms\n')
  })
  test('with -j, -w, -e and --stream', async () => {
    const { stdout } = await run('-j', '--argv', '-w', '/', '-e', 'A=b', 'exec', 'sh', '-c', 'pwd; echo $A')
    expect(JSON.parse(stdout)).toMatchObject({ status: 'ok', stdout: '/\nb\n' })
    expect((await run('--argv', '--stream', 'exec', 'echo', 'x  y')).stdout).toBe('x  y\n')
  })
  test('as a job', async () => {
    const { stdout } = await run('-D', '--argv', 'exec', 'printf', '%s', 'a  b')
    expect((await run('job', 'wait', '-o', stdout.trim())).stdout).toBe('a  b')
  })
  test('a program that is not there', async () => {
    expect((await run('--passthrough', '--argv', 'exec', 'no-such-thing')).code).toBe(127)
  })
})

test('bytes that are no text are said, with the way to get them', async () => {
  const { stderr } = await run('exec', 'printf "\\377"; printf "\\376" >&2')
  expect(stderr.split('\n')[0]).toBe(
    '[ours] warning: stdout and stderr had bytes that are no text; --stream or -O gives the exact bytes',
  )
})
