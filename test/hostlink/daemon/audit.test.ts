import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AuditEntry, openAudit } from '../../../src/hostlink/daemon/audit.ts'
import { type Config, parseConfig } from '../../../src/hostlink/daemon/config/config.ts'
import type { Log } from '../../../src/hostlink/daemon/config/log.ts'
import { redactArgv, redactText } from '../../../src/hostlink/daemon/policy/redact.ts'

const TOKEN = 'daemon-token-0123456789'
let folder: string
let said: string[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostlink-audit-'))
  said = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const entry: AuditEntry = { token: 'agent', peer: 'unix:uid=0', type: 'exec', id: '7', verdict: 'allowed' }
const lines = (path = join(folder, 'audit.ndjson')) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

function open(settings: Partial<Config> = {}) {
  const parsed = parseConfig('auth_token = 0123456789abcdef', 'h.conf')
  if ('problems' in parsed) throw new Error('the test config is broken')
  const config = { ...parsed.config, outputTmpdir: folder, ...settings }
  const log: Log = { error: text => said.push(text), warn: () => {}, info: () => {}, debug: () => {} }
  return openAudit({ config: () => config, log, secrets: () => [TOKEN] })
}

test('one line for each request, in order, in a file of mode 0600 that is appended to', async () => {
  const audit = open()
  audit.write({ ...entry, argv: ['git', 'fetch'], workdir: '/srv', exit_code: 0, duration_ms: 12 })
  audit.write({ ...entry, token: null, type: 'ping', verdict: 'auth_failed' })
  await audit.close()
  const again = open()
  again.write({ ...entry, verdict: 'denied', rule: 'policy.yaml:7: no', job_id: 'abc' })
  await again.close()
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  expect(lines()).toEqual([
    { time, ...entry, argv: ['git', 'fetch'], workdir: '/srv', exit_code: 0, duration_ms: 12 },
    { time, ...entry, token: null, type: 'ping', verdict: 'auth_failed' },
    { time, ...entry, verdict: 'denied', rule: 'policy.yaml:7: no', job_id: 'abc' },
  ])
  expect(statSync(join(folder, 'audit.ndjson')).mode & 0o777).toBe(0o600)
})

test('shell text is told by digest, length and its beginning, without secrets', async () => {
  const audit = open()
  const command = `curl -H 'Authorization: Bearer abc.def' https://me:pw@host/ ${TOKEN} PASSWORD=x; ${'y'.repeat(500)}`
  audit.write({ ...entry, command })
  await audit.close()
  const [line] = lines()
  expect(line.command_sha256).toBe(createHash('sha256').update(command).digest('hex'))
  expect(line.command_bytes).toBe(command.length)
  expect(line.command).toHaveLength(200)
  expect(line.command).toMatch(
    /^curl -H 'Authorization: \[redacted\].* https:\/\/me:\[redacted\]@host\/ \[redacted\] PASSWORD=\[redacted\]; yyy/,
  )
  expect(JSON.stringify(line)).not.toMatch(/abc\.def|pw@|daemon-token/)
})

test('a secret that the cut goes through is not shown in part', async () => {
  const audit = open()
  audit.write({ ...entry, command: `${'x'.repeat(190)} ${TOKEN}` })
  audit.write({ ...entry, argv: ['x'.repeat(995) + TOKEN] })
  await audit.close()
  expect(readFileSync(join(folder, 'audit.ndjson'), 'utf8')).not.toContain('daemon')
})

test('nor is a token that somebody took for the name of a run or a playbook', async () => {
  const audit = open()
  audit.write({
    ...entry,
    type: 'run',
    run: { action: TOKEN, run_id: TOKEN, playbook: 'x'.repeat(60) + TOKEN },
  })
  await audit.close()
  expect(lines()[0].run).toEqual({
    action: '[redacted]',
    run_id: '[redacted]',
    playbook: `${'x'.repeat(60)}[red`,
  })
})

test.each([
  [['curl', '-u', 'admin:hunter2', 'http://h/']],
  [['curl', '--user', 'admin:hunter2']],
  [['app', '--pass', 'hunter2']],
  [['env', 'DB_PASS=hunter2', 'MYSQL_PWD=hunter2']],
  [['curl', '-H', 'Cookie: id=hunter2']],
])('a password is not shown: %j', argv => {
  expect(redactArgv(argv, []).join(' ')).not.toContain('hunter2')
  expect(redactArgv(['bypass=1', 'PWD=/srv'], [])).toEqual(['bypass=1', 'PWD=/srv'])
})

test('no field of a request can push its line, or another one, out of the log', async () => {
  const audit = open()
  const huge = 'x'.repeat(5_000_000)
  audit.write({ ...entry, command: 'id', job_id: huge, key: huge, type: huge, rule: huge })
  for (let n = 0; n < 400; n++) audit.write({ ...entry, id: `${n}`, argv: Array(100).fill('y'.repeat(1000)) })
  audit.write({ ...entry, command: 'whoami' })
  await audit.close()
  expect(said).toEqual([])
  expect(lines()).toHaveLength(402)
  expect(lines()[0]).toMatchObject({ command: 'id', job_id: 'x'.repeat(200) })
  expect(lines()[1].argv.join('').length).toBeLessThanOrEqual(4000)
})

test('thousands of words and megabytes make a short line', async () => {
  const audit = open()
  audit.write({ ...entry, argv: ['x'.repeat(2_000_000), ...Array(5000).fill('y')], id: 'i'.repeat(100_000) })
  await audit.close()
  expect(lines()[0]).toMatchObject({ argv_words: 5001 })
  expect(statSync(join(folder, 'audit.ndjson')).size).toBeLessThan(4000)
})

test('the output folder is made when it is not there yet', async () => {
  const outputTmpdir = join(folder, 'run/output')
  const audit = open({ outputTmpdir })
  audit.write(entry)
  await audit.close()
  expect(lines(join(outputTmpdir, 'audit.ndjson'))).toHaveLength(1)
  expect(statSync(outputTmpdir).mode & 0o777).toBe(0o700)
})

test('none turns it off, a path puts it elsewhere', async () => {
  const off = open({ auditLog: 'none' })
  off.write(entry)
  await off.close()
  expect(existsSync(join(folder, 'audit.ndjson'))).toBe(false)
  const elsewhere = open({ auditLog: join(folder, 'other') })
  elsewhere.write(entry)
  await elsewhere.close()
  expect(lines(join(folder, 'other'))).toHaveLength(1)
})

test('at 16 MiB the file becomes .1', async () => {
  const path = join(folder, 'audit.ndjson')
  writeFileSync(path, 'x'.repeat(16 * 1024 * 1024 - 10))
  const audit = open()
  audit.write(entry)
  await audit.close()
  expect(statSync(`${path}.1`).size).toBe(16 * 1024 * 1024 - 10)
  expect(lines()).toHaveLength(1)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test.each([
  ['/dev/full', 'no space left on device'],
  ['/no/such/folder/audit', 'no such file or directory'],
])('%s: nothing is thrown, and it is said once', async (auditLog, reason) => {
  const audit = open({ auditLog })
  for (let round = 0; round < 3; round += 1) {
    audit.write(entry)
    await audit.flush()
  }
  expect(said).toEqual([`audit: ${auditLog}: ${reason}; 1 lines were lost so far`])
})

describe('redaction', () => {
  test.each([
    [
      ['--password', 'x'],
      ['--password', '[redacted]'],
    ],
    [
      ['--api-key=x', 'y'],
      ['--api-key=[redacted]', 'y'],
    ],
    [
      ['MY_TOKEN=x', 'A=b'],
      ['MY_TOKEN=[redacted]', 'A=b'],
    ],
    [
      ['-e', 'DB_PASSWORD=a b'],
      ['-e', 'DB_PASSWORD=[redacted]'],
    ],
    [
      ['--token-file', '/x'],
      ['--token-file', '[redacted]'],
    ],
    [[`a${TOKEN}b`], ['a[redacted]b']],
    [
      ['git', 'commit', '-m', 'fix: authors'],
      ['git', 'commit', '-m', 'fix: authors'],
    ],
    [
      ['docker', 'compose', 'up', '-d'],
      ['docker', 'compose', 'up', '-d'],
    ],
  ])('%j', (argv, shown) => {
    expect(redactArgv(argv, [TOKEN])).toEqual(shown)
  })

  test('of shell text', () => {
    expect(redactText(`mysql --password 'a b' -u root; export SECRET_KEY="c d"; echo ok`, [])).toBe(
      'mysql --password [redacted] -u root; export SECRET_KEY=[redacted]; echo ok',
    )
  })

  test('is linear in hostile text', () => {
    const began = performance.now()
    for (const part of [
      '-',
      'token',
      'a',
      'token-',
      'token ',
      'token= ',
      '-token\t\t',
      'a-',
      'a://',
      'a:b@',
      'bearer ',
      '"',
      "token='",
    ]) {
      redactText(part.repeat(16_384 / part.length), [])
    }
    expect(performance.now() - began).toBeLessThan(1500)
  })
})
