import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { composeText, unitText } from '../../../src/hostlink/daemon/config/init-texts.ts'
import { parsePolicyFile } from '../../../src/hostlink/daemon/policy/policy-file.ts'
import { parseTargets } from '../../../src/hostlink/link/targets.ts'
import { until } from '../../jobs/jobs-rig.ts'
import { HOSTLINKD } from '../../rig/daemon.ts'
import { HOSTLINK } from '../../rig/hostlink-cli.ts'

const example = (name: string) =>
  readFileSync(new URL(`../../../examples/openclaw/${name}`, import.meta.url), 'utf8')
const isRoot = process.getuid?.() === 0
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0

let prefix: string
let config: string
let token: string
beforeEach(() => {
  prefix = mkdtempSync(join(tmpdir(), 'hostlinkd-init-'))
  config = join(prefix, 'etc/hostlink/hostlink.conf')
  token = join(prefix, 'etc/hostlink/token')
})
afterEach(() => rmSync(prefix, { recursive: true, force: true }))

function hostlinkd(args: string[], env: Record<string, string> = {}, uid?: number) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [HOSTLINKD, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] ?? '', HOME: prefix, ...env },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  return { status, stdout: stdout.replaceAll(prefix, ''), stderr: stderr.replaceAll(prefix, '') }
}

describe.runIf(isRoot)('hostlinkd init as root', () => {
  const init = (...more: string[]) => hostlinkd(['init', '--prefix', prefix, ...more])

  test('writes a config that is fine, a fresh token that others cannot read, and says what to type next', () => {
    const { status, stdout } = init('--systemd')
    expect(status).toBe(0)
    expect(stdout).toContain(
      'wrote: /etc/hostlink/token\nwrote: /etc/hostlink/hostlink.conf\nwrote: /etc/systemd/system/hostlinkd.service\n',
    )
    expect(stdout).toContain('systemctl daemon-reload\n  systemctl enable --now hostlinkd\n')
    expect(readFileSync(token, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
    for (const path of [token, config]) expect(statSync(path).mode & 0o777).toBe(0o640)
    expect(statSync(join(prefix, 'etc/hostlink')).mode & 0o777).toBe(0o750)
    expect(hostlinkd(['check', '-c', config])).toMatchObject({
      status: 0,
      stdout: '/etc/hostlink/hostlink.conf: fine, 0 warnings\n',
    })
  })

  test('a second time changes nothing and says what is there', () => {
    init()
    const before = [token, config].map(path => readFileSync(path, 'utf8'))
    const { status, stdout } = init()
    expect(status).toBe(0)
    expect(stdout).toContain('is there already, and stays: /etc/hostlink/token (replace it with --force)\n')
    expect(stdout).toContain('HOSTLINK_TOKEN_FILE: /run/secrets/hostlink_token')
    expect([token, config].map(path => readFileSync(path, 'utf8'))).toEqual(before)
  })

  test('--force makes another token', () => {
    init()
    const before = readFileSync(token, 'utf8')
    expect(init('--force').stdout).toContain('replaced: /etc/hostlink/token\n')
    expect(readFileSync(token, 'utf8')).not.toBe(before)
    expect(statSync(token).mode & 0o777).toBe(0o640)
  })

  test('a config of somebody else is checked, not replaced', () => {
    mkdirSync(join(prefix, 'etc/hostlink'), { recursive: true })
    writeFileSync(config, 'max_jobs = x\nauth_token = 0123456789abcdef\n', { mode: 0o600 })
    const { status, stderr } = init()
    expect(status).toBe(1)
    expect(stderr).toContain(
      '/etc/hostlink/hostlink.conf:1: max_jobs: "x" is not a whole number\nhint: hostlinkd check -c',
    )
  })

  test('the daemon starts with it, and the client gets through with the token file', async () => {
    init()
    const daemon = spawnSync(process.execPath, [HOSTLINKD, '-c', config, '-p', join(prefix, 'pid')], {
      encoding: 'utf8',
    })
    try {
      expect(daemon.stderr).toBe('')
      const socket = join(prefix, 'run/hostlink/hostlink.sock')
      await until('the socket is there', () => existsSync(socket))
      const ping = spawnSync(process.execPath, [HOSTLINK, '-s', socket, '--token-file', token, 'ping'], {
        encoding: 'utf8',
      })
      expect(ping.stdout + ping.stderr).toMatch(/pong/)
    } finally {
      const pid = Number(readFileSync(join(prefix, 'pid'), 'utf8'))
      process.kill(pid, 'SIGTERM')
      await until('the daemon is gone', () => !existsSync(join(prefix, 'pid')))
    }
  })
})

describe('hostlinkd init for one user', () => {
  // Another user than root cannot look into the private folder of this test.
  const uid = isRoot ? 65534 : undefined
  const init = (env: Record<string, string>, ...more: string[]) => hostlinkd(['init', ...more], env, uid)

  test.runIf(isRoot)('uses the folders of that user, and a token that is his alone', () => {
    const home = mkdtempSync(join(tmpdir(), 'hostlinkd-home-'))
    spawnSync('chown', ['65534', home])
    try {
      const { status, stdout } = init(
        { XDG_CONFIG_HOME: join(home, 'c'), XDG_RUNTIME_DIR: join(home, 'r') },
        '--systemd',
      )
      expect(status).toBe(0)
      expect(stdout).toContain(`wrote: ${home}/c/hostlink/hostlink.conf`)
      expect(stdout).toContain('systemctl --user enable --now hostlinkd\n  loginctl enable-linger\n')
      expect(statSync(join(home, 'c/hostlink/token')).mode & 0o777).toBe(0o600)
      expect(readFileSync(join(home, 'c/hostlink/hostlink.conf'), 'utf8')).toContain(
        `unix_path = ${home}/r/hostlink/hostlink.sock`,
      )
      expect(readFileSync(join(home, 'c/systemd/user/hostlinkd.service'), 'utf8')).toContain(
        'WantedBy=default.target',
      )
    } finally {
      rmSync(home, { recursive: true })
    }
  })

  test('without a place for the socket it says what to do', () => {
    expect(init({})).toMatchObject({
      status: 2,
      stderr: 'hostlinkd: there is no XDG_RUNTIME_DIR for the socket\nhint: sudo hostlinkd init\n',
    })
  })

  test('a folder that cannot be written is named', () => {
    const { status, stderr } = init({ XDG_RUNTIME_DIR: '/tmp' }, '--config', '/nowhere/h.conf')
    expect(status).toBe(1)
    expect(stderr).toMatch(/^hostlinkd: \/nowhere: .*\nhint: sudo hostlinkd init\n$/)
  })
})

test('wrong options', () => {
  for (const command of ['init', 'check']) {
    const { status, stderr } = hostlinkd([command, '--frobnicate'])
    expect(status).toBe(2)
    expect(stderr).toContain(`hint: hostlinkd ${command} --help\n`)
    expect(hostlinkd([command, '--help']).stdout).toMatch(`usage: hostlinkd ${command} `)
  }
})

describe('examples/openclaw', () => {
  const places = {
    config: '/etc/hostlink/hostlink.conf',
    token: '/etc/hostlink/token',
    policy: '/etc/hostlink/policy.yaml',
    socketFolder: '/run/hostlink',
    socket: '/run/hostlink/hostlink.sock',
    output: '/run/hostlink/output',
    unit: '/etc/systemd/system/hostlinkd.service',
  }
  const group = { name: 'hostlink', gid: 987 }

  test('the unit is the one that init writes', () => {
    const unit = unitText({ program: ['/usr/bin/hostlinkd'], places, group, isUser: false })
    expect(example('hostlinkd.service')).toBe(unit)
    expect(unit).toContain('\nKillMode=process\n')
    // systemd would give it to root's group again after the ExecStartPre that gives it to ours.
    expect(unit).not.toMatch(/^RuntimeDirectory/m)
  })

  test.skipIf(!hasSystemd).each([false, true])(
    'systemd finds nothing wrong with it; for one user: %s',
    isUser => {
      const folder = mkdtempSync(join(tmpdir(), 'hostlinkd-unit-'))
      try {
        const file = join(folder, 'hostlinkd.service')
        const verify = () => {
          const asked = ['verify', '--man=no', '--recursive-errors=no', file]
          const { status, stderr } = spawnSync('systemd-analyze', asked, { encoding: 'utf8' })
          return { status, stderr }
        }
        const unit = unitText({ program: [process.execPath, '/x/50% $y'], places, group, isUser })
        writeFileSync(file, unit)
        expect(verify()).toEqual({ status: 0, stderr: '' })
        writeFileSync(file, unit.replace('KillMode=process', 'KillMode=proces'))
        expect(verify().stderr).toContain('Failed to parse kill mode')
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  )

  test('what a unit would misunderstand is quoted', () => {
    const program = ['/opt/my node', '/x/$y/50%.js']
    expect(unitText({ program, places, group, isUser: false })).toContain(
      'ExecStart="/opt/my node" /x/$$y/50%%.js -f -c /etc',
    )
  })

  test('compose.yaml holds the lines that init prints', () => {
    const printed = parse(composeText(places, 987))
    const shipped = parse(example('compose.yaml'))
    const [mine, theirs] = [printed.services['openclaw-gateway'], shipped.services['openclaw-gateway']]
    expect(theirs.environment).toMatchObject(mine.environment)
    expect(theirs.volumes).toEqual(expect.arrayContaining(mine.volumes))
    expect([theirs.secrets, shipped.secrets]).toEqual([mine.secrets, printed.secrets])
    expect(mine.group_add).toEqual(['987'])
  })

  test('targets.conf and policy.yaml are right', () => {
    expect(parseTargets(example('targets.conf'), 't').problems).toEqual([])
    const policy = parsePolicyFile(example('policy.yaml'), 'policy.yaml')
    expect(policy).toMatchObject({
      entries: [
        { name: 'agent', policy: { kind: 'playbooks' } },
        { name: 'reader', policy: { kind: 'allowlist' } },
        { name: 'retired', policy: { kind: 'deny' } },
      ],
    })
    expect(JSON.stringify(policy)).not.toMatch(/"(git|docker|podman)"/)
  })
})
