import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '../../../src/hostlink/daemon/config/config.ts'
import { loadConfig } from '../../../src/hostlink/daemon/config/config-file.ts'
import { KEYS } from '../../../src/hostlink/daemon/config/config-keys.ts'
import { wordProblem } from '../../../src/hostlink/daemon/config/problem.ts'

const TOKEN = 'auth_token = 0123456789abcdef0123456789abcdef'

function accepted(text: string) {
  const result = parseConfig(text, 'h.conf')
  if ('problems' in result) throw new Error(result.problems.map(wordProblem).join('\n'))
  return { config: result.config, warnings: result.warnings.map(wordProblem) }
}

function refused(text: string): string[] {
  const result = parseConfig(text, 'h.conf')
  return 'problems' in result ? result.problems.map(wordProblem) : ['accepted']
}

test('defaults are those of the existing daemon, and ours', () => {
  const { config, warnings } = accepted(TOKEN)
  expect(warnings).toEqual([])
  expect({ ...config, lines: [...config.lines] }).toEqual({
    file: 'h.conf',
    lines: [['auth_token', 1]],
    hostopsCommand: null,
    runsStateDir: null,
    playbooksDir: '/etc/hostops/playbooks',
    nodeName: 'hostlink',
    authToken: '0123456789abcdef0123456789abcdef',
    authTokenFile: null,
    unixEnabled: true,
    unixPath: '/run/hostlink/hostlink.sock',
    unixMode: 0o660,
    unixGroup: 'hostlink',
    tcpEnabled: false,
    tcpBind: '127.0.0.1',
    tcpPort: 9876,
    tcpInsecure: false,
    maxConcurrent: 8,
    maxConcurrentIo: 4,
    defaultTimeoutMs: 30000,
    maxTimeoutMs: 300000,
    shell: '/bin/sh',
    defaultMaxOutputBytes: 4194304,
    maxOutputBytes: 67108864,
    outputTmpdir: '/run/hostlink/output',
    jobDefaultTimeoutMs: 86400000,
    jobMaxTimeoutMs: 604800000,
    jobMaxSpoolBytes: 268435456,
    jobRetentionS: 86400,
    maxJobs: 64,
    cancelOnDisconnect: true,
    envAllow: [],
    policyFile: [],
    auditLog: null,
    logTarget: 'stderr',
    logLevel: 'info',
    runAsUser: null,
  })
})

test('sections, comments, blanks, CRLF and a byte order mark change nothing', () => {
  const text = `\uFEFF[hostlink]\r\n# comment\r\n  ; another\r\n\r\n ${TOKEN} \r\n[limits]\r\nmax_jobs=3\r\nunix_mode = 600\r\nenv_allow = DOCKER_HOST , FOO\r\n`
  const { config, warnings } = accepted(text)
  expect(warnings).toEqual([])
  expect(config).toMatchObject({ maxJobs: 3, unixMode: 0o600, envAllow: ['DOCKER_HOST', 'FOO'] })
  expect(config.lines.get('max_jobs')).toBe(7)
})

test('a value keeps its equals signs and hash marks', () => {
  expect(accepted('auth_token = a=b#c;d0123456789').config.authToken).toBe('a=b#c;d0123456789')
})

test.each([
  ['TRUE', true],
  ['Yes', true],
  ['on', true],
  ['1', true],
  ['False', false],
  ['NO', false],
  ['off', false],
  ['0', false],
])('the boolean %s', (word, value) => {
  expect(accepted(`${TOKEN}\ncancel_on_disconnect = ${word}`).config.cancelOnDisconnect).toBe(value)
})

test('unknown keys are warned of, with the name that was meant', () => {
  expect(accepted(`${TOKEN}\nmax_job = 3\nfrobnicate = yes`).warnings).toEqual([
    'h.conf:2: max_job: is not a known key, and is ignored\nhint: did you mean max_jobs?',
    'h.conf:3: frobnicate: is not a known key, and is ignored',
  ])
})

test.each([
  ['max_jobs = many', 'h.conf:2: max_jobs: "many" is not a whole number'],
  ['max_jobs = 12x', 'h.conf:2: max_jobs: "12x" is not a whole number'],
  ['max_jobs = 0x10', 'h.conf:2: max_jobs: "0x10" is not a whole number'],
  ['max_jobs = 1e3', 'h.conf:2: max_jobs: "1e3" is not a whole number'],
  ['max_jobs = 0', 'h.conf:2: max_jobs: 0 is below 1'],
  ['tcp_port = 65536', 'h.conf:2: tcp_port: 65536 is above 65535'],
  ['default_timeout_ms = -1', 'h.conf:2: default_timeout_ms: -1 is below 1'],
  [
    'max_timeout_ms = 99999999999999999999',
    'h.conf:2: max_timeout_ms: 99999999999999999999 is above 2147483647',
  ],
  [
    'max_jobs = 3 # three',
    'h.conf:2: max_jobs: "3 # three" is not a whole number\nhint: a comment needs a line of its own',
  ],
  [
    'tcp_enabled = maybe',
    'h.conf:2: tcp_enabled: "maybe" is not true or false (also yes, no, on, off, 1, 0)',
  ],
  ['unix_mode = 0888', 'h.conf:2: unix_mode: "0888" is not an octal mode such as 0660'],
  ['unix_mode = 7777', 'h.conf:2: unix_mode: "7777" is not an octal mode such as 0660'],
  ['shell = bin/sh', 'h.conf:2: shell: "bin/sh" is not an absolute path'],
  ['output_tmpdir = ./out', 'h.conf:2: output_tmpdir: "./out" is not an absolute path'],
  ['audit_log = off', 'h.conf:2: audit_log: "off" is neither none nor an absolute path'],
  ['log_target = stdout', 'h.conf:2: log_target: "stdout" is neither stderr, syslog nor an absolute path'],
  ['log_level = loud', 'h.conf:2: log_level: "loud" is not one of error, warn, info, debug'],
  ['env_allow = A, B C', 'h.conf:2: env_allow: "B C" is not the name of a variable'],
  ['tcp_bind = example.com', 'h.conf:2: tcp_bind: "example.com" is not an IP address'],
  [
    `unix_path = /${'x'.repeat(107)}`,
    'h.conf:2: unix_path: 108 bytes is longer than a socket path may be (107)',
  ],
  ['node_name =', 'h.conf:2: node_name: is empty\nhint: leave the line out for the default'],
  ['just words', 'h.conf:2: is not `key = value`'],
  ['= 3', 'h.conf:2: is not `key = value`'],
  [TOKEN, 'h.conf:2: auth_token: is set twice (first on line 1)'],
  ['policy_file = /a\npolicy_file = b', 'h.conf:3: policy_file: "b" is not an absolute path'],
  ['auth_token_file = /x', 'h.conf:2: auth_token_file: is set beside auth_token\nhint: keep one of the two'],
  [
    'unix_enabled = no',
    'h.conf:2: unix_enabled: is off, and tcp_enabled is off too: nobody could connect\nhint: turn one of the two on',
  ],
])('refused: %s', (line, message) => {
  expect(refused(`${TOKEN}\n${line}`)).toEqual([message])
})

test('everything that is wrong is said at once', () => {
  expect(refused('max_jobs = x\ntcp_port = y')).toEqual([
    'h.conf:1: max_jobs: "x" is not a whole number',
    'h.conf:2: tcp_port: "y" is not a whole number',
    'h.conf: auth_token: is missing: nobody could use this daemon\nhint: write a config and a token with: hostlinkd init',
  ])
})

describe('tcp without TLS', () => {
  const tcp = (bind: string) => `${TOKEN}\ntcp_enabled = true\ntcp_bind = ${bind}`

  test.each(['127.0.0.1', '127.8.8.8', '::1', 'localhost'])('%s stays on this machine', bind => {
    expect(accepted(tcp(bind)).config.tcpBind).toBe(bind)
  })

  test.each(['0.0.0.0', '::', '192.168.1.4', '::ffff:10.0.0.1'])('%s needs tcp_insecure', bind => {
    expect(refused(tcp(bind))).toEqual([
      `h.conf:3: tcp_bind: ${bind} is not a loopback address: tokens, commands and output would cross the network in the clear\n` +
        'hint: bind 127.0.0.1 and go through ssh or a VPN, or accept it with: tcp_insecure = true',
    ])
    expect(accepted(`${tcp(bind)}\ntcp_insecure = true`).config.tcpInsecure).toBe(true)
  })

  test('an address that is not used is not judged', () => {
    expect(accepted(`${TOKEN}\ntcp_bind = 0.0.0.0`).config.tcpEnabled).toBe(false)
  })
})

test('doubtful settings are accepted with a warning', () => {
  const text = [
    'auth_token = secret',
    'unix_mode = 0666',
    'default_timeout_ms = 400000',
    'job_max_timeout_ms = 5',
    'max_output_bytes = 1000',
    'log_target = syslog',
  ].join('\n')
  expect(accepted(text).warnings).toEqual([
    'h.conf:1: auth_token: has 6 bytes and can be guessed\nhint: make one with: openssl rand -hex 32',
    'h.conf:2: unix_mode: lets every user of this machine connect',
    'h.conf:3: default_timeout_ms: is above max_timeout_ms: 300000 is used',
    'h.conf: job_default_timeout_ms: is above job_max_timeout_ms: 5 is used',
    'h.conf: default_max_output_bytes: is above max_output_bytes: 1000 is used',
    'h.conf:6: log_target: syslog is not offered: the log goes to stderr, which systemd keeps in its journal',
  ])
})

describe('the file itself', () => {
  let folder: string
  let file: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hostlink-config-'))
    file = join(folder, 'h.conf')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const load = (path = file) => {
    const result = loadConfig(path)
    const said = 'problems' in result ? result.problems : result.warnings
    return {
      accepted: 'config' in result,
      said: said.map(problem => wordProblem(problem).replaceAll(folder, '')),
    }
  }

  test('a private file is read', () => {
    writeFileSync(file, TOKEN, { mode: 0o600 })
    expect(load()).toEqual({ accepted: true, said: [] })
  })

  test('missing', () => {
    expect(load()).toEqual({
      accepted: false,
      said: ['/h.conf: no such file or directory\nhint: write one with: hostlinkd init'],
    })
  })

  test('a folder', () => {
    mkdirSync(file)
    expect(load()).toEqual({ accepted: false, said: ['/h.conf: is a directory'] })
  })

  test.each([
    ['NUL bytes', Buffer.from(`${TOKEN}\n\0`)],
    ['invalid UTF-8', Buffer.from([0x61, 0x3d, 0xff, 0xfe])],
  ])('binary: %s', (_, bytes) => {
    writeFileSync(file, bytes, { mode: 0o600 })
    expect(load()).toEqual({ accepted: false, said: ['/h.conf: is not a text file'] })
  })

  test('10 MB', () => {
    writeFileSync(file, Buffer.alloc(10_000_000, '#'), { mode: 0o600 })
    expect(load()).toEqual({
      accepted: false,
      said: ['/h.conf: has 10000000 bytes, a config has at most 1048576'],
    })
  })

  test('world-writable is refused', () => {
    writeFileSync(file, TOKEN)
    chmodSync(file, 0o602)
    expect(load()).toEqual({
      accepted: false,
      said: ['/h.conf: can be changed by every user of this machine\nhint: chmod o-w /h.conf'],
    })
  })

  test.runIf(process.getuid?.() === 0)('a group or an owner that is neither root nor ours is refused', () => {
    writeFileSync(file, TOKEN, { mode: 0o600 })
    chmodSync(file, 0o660)
    chownSync(file, 0, 65534)
    const refused = (...said: string[]) => expect(load()).toEqual({ accepted: false, said })
    refused('/h.conf: can be changed by group 65534\nhint: chmod g-w /h.conf')
    chmodSync(file, 0o640)
    expect(load().accepted).toBe(true)
    chownSync(file, 65534, 0)
    refused('/h.conf: belongs to uid 65534, who can change it\nhint: chown root /h.conf')
  })

  test.runIf(process.getuid?.() === 0)(
    'a folder in which others can put another file there is refused',
    () => {
      writeFileSync(file, TOKEN, { mode: 0o600 })
      const folder = dirname(file)
      const refusedFor = (reason: string, hint: string) =>
        expect(load()).toEqual({
          accepted: false,
          said: [`/h.conf: its folder  ${reason}\nhint: ${hint} `],
        })
      chmodSync(folder, 0o777)
      refusedFor('can be changed by every user of this machine', 'chmod o-w')
      chmodSync(folder, 0o1777)
      expect(load().accepted).toBe(true)
      chmodSync(folder, 0o770)
      chownSync(folder, 0, 65534)
      refusedFor('can be changed by group 65534', 'chmod g-w')
    },
  )

  test('a token that others can read, and a group of our own that can write, are warned of', () => {
    writeFileSync(file, TOKEN)
    chmodSync(file, 0o664)
    expect(load()).toEqual({
      accepted: true,
      said: [
        '/h.conf:1: auth_token: is in a file that other users can read\nhint: chmod 0600 /h.conf, or move it to a file of its own with auth_token_file',
        '/h.conf: can be changed by its group\nhint: chmod g-w /h.conf',
      ],
    })
  })
})

test("the README's table has every key, with its default", () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const section = readme.split(/^## /m).find(part => part.startsWith('hostlink.conf\n')) ?? ''
  const told = new Map(
    [...section.matchAll(/^\| `([a-z_]+)` \| `?([^|`]*)`? \|/gm)].map(([, key, text]) => [key, text]),
  )
  const defaults = Object.entries(KEYS).map(([key, { fallback }]) => {
    if (fallback === null || (Array.isArray(fallback) && fallback.length === 0)) return [key, 'none']
    return [key, key === 'unix_mode' ? `0${Number(fallback).toString(8)}` : String(fallback)]
  })
  expect(Object.fromEntries(told)).toEqual(Object.fromEntries(defaults))
})
