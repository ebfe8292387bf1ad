/** What a person mistypes or mixes up, and what the programs then say: the fact, and what to do next. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { wordFailure } from '../../src/hostlink/cli/wording.ts'
import { type DaemonRig, HOSTLINKD, startDaemonRig, writeConfig } from '../rig/daemon.ts'
import { HOSTLINK, hostlink, reaching } from '../rig/hostlink-cli.ts'

let daemon: DaemonRig
let folder: string
beforeAll(async () => {
  daemon = await startDaemonRig()
  folder = mkdtempSync(join(tmpdir(), 'hostops-mistakes-'))
})
afterAll(async () => {
  await daemon?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const cannotConnect = (path: string, reason: string, hint: string) => ({
  code: 2,
  stderr: `Cannot connect to Unix socket ${path}: ${reason}\nhint: ${hint}\n`,
})
const NO_SOCKET = 'that is not a socket; hostlinkd makes one, usually /run/hostlink/hostlink.sock'

describe('with hostlink', () => {
  const ping = async (env: Record<string, string>, ...args: string[]) => {
    const { code, stderr } = await hostlink([...args, 'ping'], { env: { ...reaching(daemon), ...env } })
    return { code, stderr }
  }

  test('the folder of the socket, or some file, in place of the socket', async () => {
    expect(await ping({}, '-s', daemon.folder)).toEqual(
      cannotConnect(daemon.folder, 'Connection refused', NO_SOCKET),
    )
    expect(await ping({}, '-s', daemon.configFile)).toEqual(
      cannotConnect(daemon.configFile, 'Connection refused', NO_SOCKET),
    )
  })

  test('a path that no socket can have leads to no other socket', async () => {
    const path = join(folder, 'x'.repeat(120))
    const cut = path.slice(0, 107)
    const other = createServer().listen(cut)
    try {
      const hint = 'the path of a socket has at most 107 bytes'
      expect(await ping({}, '-s', path)).toEqual(cannotConnect(path, 'File name too long', hint))
    } finally {
      other.close()
    }
  })

  test.each(['\n', ' ', '\t'])('a token that was copied with %j behind it', async extra => {
    const { code, stderr } = await ping({ HOSTLINK_TOKEN: `${daemon.token}${extra}` })
    expect(code).toBe(3)
    expect(stderr).toContain('came from HOSTLINK_TOKEN and begins or ends with a blank or a line break;')
  })

  test.runIf(process.getuid?.() === 0)('a user who is not in the group of the socket', () => {
    const { status, stderr } = spawnSync(process.execPath, [HOSTLINK, 'ping'], {
      env: reaching(daemon),
      encoding: 'utf8',
      uid: 65534,
      gid: 65534,
    })
    expect(status).toBe(2)
    expect(stderr).toMatch(/: Permission denied\nhint: only members of the socket's group .*usermod -aG/)
  })

  test('something else than hostlinkd listens there', async () => {
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const address = `127.0.0.1:${(server.address() as { port: number }).port}`
    try {
      const { code, stderr } = await ping({}, '-a', address)
      expect(code).toBe(6)
      expect(stderr).toMatch(/^Invalid response: .*\n/)
      expect(stderr).toContain(`\nhint: is it hostlinkd that listens on ${address}?\n`)
    } finally {
      server.close()
    }
  })

  test('something that listens and says nothing', () => {
    const at = { kind: 'tcp', host: 'example', port: 80 } as const
    const said = wordFailure({ kind: 'timeout', afterMs: 30_000 }, { at, token: 'x', tokenFrom: '--token' })
    expect(said).toContain('No response within 30000ms\nhint: what was asked may still happen there')
    expect(said).toContain('Is it hostlinkd that listens on example:80?\n')
  })
})

describe('with hostlinkd', () => {
  const hostlinkd = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [HOSTLINKD, ...args], {
      encoding: 'utf8',
      timeout: 30_000,
    })
    return { status, said: stdout + stderr }
  }

  test.each([
    ['start', 'unknown subcommand "start"', 'to start it, no subcommand is needed: hostlinkd --help'],
    ['chek', 'unknown subcommand "chek"', 'did you mean hostlinkd check?'],
    ['--confg x', 'unknown option --confg', 'did you mean --config?'],
    ['-fx', 'unknown option -x', 'hostlinkd --help'],
    ['-c', '-c needs a value', 'hostlinkd --help'],
    ['-c -f', '-c needs a value', 'hostlinkd --help'],
    ['--verbose=yes', '--verbose takes no value', 'hostlinkd --help'],
    ['-f hostlink.conf', 'takes no further word: "hostlink.conf"', 'hostlinkd --help'],
    ['init here', 'init: takes no further word: "here"', 'hostlinkd init --help'],
    ['init --sytemd', 'init: unknown option --sytemd', 'did you mean --systemd?'],
    ['check hostlink.conf', 'check: takes no further word: "hostlink.conf"', 'hostlinkd check --help'],
  ])('%s', (line, reason, hint) => {
    expect(hostlinkd(...line.split(' '))).toEqual({
      status: 2,
      said: `hostlinkd: ${reason}\nhint: ${hint}\n`,
    })
  })

  const configWith = (keys: Record<string, string>) => {
    const file = join(folder, 'h.conf')
    const own = { auth_token: 'token-0123456789abcdef', unix_path: join(folder, 's') }
    writeConfig(file, { ...own, output_tmpdir: join(folder, 'out'), ...keys })
    return file
  }

  test('a pid file where there is no folder', () => {
    expect(hostlinkd('-f', '-c', configWith({}), '-p', '/no/such/pid')).toEqual({
      status: 1,
      said: 'hostlinkd: cannot start: /no/such/pid: no such file or directory\n',
    })
  })

  test('a file where the socket is to be is found by check, too', () => {
    const path = join(folder, 'file')
    writeFileSync(path, '')
    const file = configWith({ unix_path: path })
    const line = `${file}:2: unix_path: ${path} is there and is not a socket\nhint: look at it: ls -l ${path}\n`
    expect(hostlinkd('check', '-c', file)).toMatchObject({ status: 1, said: expect.stringContaining(line) })
  })

  test.runIf(process.getuid?.() === 0)("root's config, read as somebody else", () => {
    const { status, stdout } = spawnSync(process.execPath, [HOSTLINKD, 'check', '-c', daemon.configFile], {
      encoding: 'utf8',
      uid: 65534,
      gid: 65534,
    })
    expect(status).toBe(1)
    expect(stdout).toContain(`permission denied\nhint: use sudo, or name a config of your own: -c FILE\n`)
  })
})
