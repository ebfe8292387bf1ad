import { describe, expect, test } from 'vitest'
import { type EndpointOptions, parseAddress, resolveEndpoint } from '../../src/hostlink/link/endpoint.ts'
import { parseTargets } from '../../src/hostlink/link/targets.ts'

const FILE = `# the hosts of the house
; another comment
[desktop]
transport = unix
socket = /run/desk.sock
token = desk-token
timeout_ms = 90000

[lab]
transport = tcp
address = 10.0.0.2
port = 9999
token_file = /secrets/lab

[bare]
token = bare-token
`

const denied = () => {
  throw Object.assign(new Error('denied'), { code: 'EACCES' })
}
const files: Record<string, string | (() => never)> = {
  '/etc/hostlink/targets.conf': FILE,
  '/secrets/lab': 'lab-token\n',
  '/secrets/crlf': 'crlf-token\r\n',
  '/secrets/empty': '\n',
  '/secrets/lines': 'one\ntwo\n',
  '/secrets/closed': denied,
  '/other.conf': '[other]\nsocket=/o.sock\ntoken=t\n',
}
const readFile = (path: string) => {
  const found = files[path]
  return typeof found === 'function' ? found() : (found ?? null)
}
const resolve = (options: EndpointOptions, env: Record<string, string> = {}) =>
  resolveEndpoint(options, env, readFile)
const found = (options: EndpointOptions, env: Record<string, string> = {}) => {
  const resolved = resolve(options, env)
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.problem))
  return resolved.endpoint
}
const problem = (options: EndpointOptions, env: Record<string, string> = {}) => {
  const resolved = resolve(options, env)
  return resolved.ok ? null : resolved.problem
}
const TOKEN = { HOSTLINK_TOKEN: 'env-token' }

describe('where to', () => {
  test('the default socket', () => {
    expect(found({}, TOKEN).at).toEqual({ kind: 'unix', path: '/run/hostlink/hostlink.sock' })
  })
  test('HOSTLINK_SOCKET over the default, empty counts as absent', () => {
    expect(found({}, { ...TOKEN, HOSTLINK_SOCKET: '/e.sock' }).at).toEqual({ kind: 'unix', path: '/e.sock' })
    expect(found({}, { ...TOKEN, HOSTLINK_SOCKET: '' }).at).toMatchObject({
      path: '/run/hostlink/hostlink.sock',
    })
  })
  test('HOSTLINK_TARGET over HOSTLINK_SOCKET', () => {
    const env = { ...TOKEN, HOSTLINK_SOCKET: '/e.sock', HOSTLINK_TARGET: 'desktop' }
    expect(found({}, env).at).toEqual({ kind: 'unix', path: '/run/desk.sock' })
  })
  test('--target over HOSTLINK_TARGET', () => {
    expect(found({ target: 'lab' }, { ...TOKEN, HOSTLINK_TARGET: 'desktop' }).at).toEqual({
      kind: 'tcp',
      host: '10.0.0.2',
      port: 9999,
    })
  })
  test('--socket and --address over everything; HOSTLINK_TARGET is then not looked up', () => {
    const env = { ...TOKEN, HOSTLINK_TARGET: 'nowhere' }
    expect(found({ socket: '/s' }, env).at).toEqual({ kind: 'unix', path: '/s' })
    expect(found({ address: 'h:1' }, env).at).toEqual({ kind: 'tcp', host: 'h', port: 1 })
  })
  test('--socket with --target keeps the token and limit of the target', () => {
    expect(found({ socket: '/s', target: 'desktop' })).toMatchObject({
      at: { path: '/s' },
      token: 'desk-token',
      timeoutMs: 90_000,
      target: 'desktop',
    })
  })
  test('a target without socket has the default one', () => {
    expect(found({ target: 'bare' }).at).toMatchObject({ path: '/run/hostlink/hostlink.sock' })
  })
  test('--socket and --address contradict each other', () => {
    expect(problem({ socket: '/s', address: 'h' }, TOKEN)).toEqual({
      kind: 'conflict',
      options: ['--socket', '--address'],
    })
  })
})

describe('the token', () => {
  test.each<[string, EndpointOptions, Record<string, string>, string]>([
    ['--token over all', { token: 'k', target: 'desktop' }, TOKEN, 'k'],
    ['--token-file over the environment', { tokenFile: '/secrets/lab' }, TOKEN, 'lab-token'],
    [
      'HOSTLINK_TOKEN over HOSTLINK_TOKEN_FILE',
      {},
      { ...TOKEN, HOSTLINK_TOKEN_FILE: '/secrets/lab' },
      'env-token',
    ],
    ['HOSTLINK_TOKEN_FILE', {}, { HOSTLINK_TOKEN_FILE: '/secrets/lab' }, 'lab-token'],
    ['the environment over the target', { target: 'desktop' }, TOKEN, 'env-token'],
    ['the target', { target: 'desktop' }, {}, 'desk-token'],
    ['token_file of the target', { target: 'lab' }, {}, 'lab-token'],
    ['one line ending is no part of it', { tokenFile: '/secrets/crlf' }, {}, 'crlf-token'],
  ])('%s', (_, options, env, token) => expect(found(options, env).token).toBe(token))

  test.each([
    ['/secrets/none', 'no such file'],
    ['/secrets/empty', 'is empty'],
    ['/secrets/lines', 'has more than one line'],
    ['/secrets/closed', 'Permission denied'],
  ])('%s: %s', (file, reason) => {
    expect(problem({ tokenFile: file })).toEqual({
      kind: 'token-file',
      file,
      from: `--token-file ${file}`,
      reason,
    })
  })
  test('none', () => expect(problem({})).toEqual({ kind: 'no-token' }))
  test('an empty --token is not an absent one', () => {
    expect(problem({ token: '' }, TOKEN)).toEqual({ kind: 'bad-token', from: '--token' })
  })
  test('where it came from is told without it', () => {
    expect(found({ target: 'lab' }).tokenFrom).toBe('token_file of target "lab" (/secrets/lab)')
    expect(found({}, TOKEN).tokenFrom).toBe('HOSTLINK_TOKEN')
  })
})

describe('targets.conf', () => {
  test('search order', () => {
    const home = { HOME: '/home/u', HOSTLINK_TARGET: 'x', ...TOKEN }
    expect(problem({ targetsFile: '/none' }, { ...home, HOSTLINK_TARGETS: '/other.conf' })).toMatchObject({
      kind: 'no-targets-file',
      searched: ['/none'],
    })
    expect(found({ target: 'other' }, { HOSTLINK_TARGETS: '/other.conf' }).at).toMatchObject({
      path: '/o.sock',
    })
    const empty = resolveEndpoint({}, home, () => null)
    expect(empty).toMatchObject({
      problem: { searched: ['/etc/hostlink/targets.conf', '/home/u/.config/hostlink/targets.conf'] },
    })
    const own = resolveEndpoint({}, home, path => (path.startsWith('/home') ? '[x]\nsocket=/x\n' : null))
    expect(own).toMatchObject({ ok: true, endpoint: { at: { path: '/x' } } })
  })
  test('unknown target: the names that there are', () => {
    expect(problem({ target: 'dekstop' })).toEqual({
      kind: 'unknown-target',
      name: 'dekstop',
      known: ['desktop', 'lab', 'bare'],
      file: '/etc/hostlink/targets.conf',
    })
  })
  test('every mistake with its line, all at once', () => {
    const text =
      'stray = 1\n[a]\ntransport = pigeon\n[b]\ntransport = tcp\n[b]\n[]\n[c]\nport = many\nwhat is this\nport = 1\n[d]\ntimeout_ms = -5\n'
    expect(parseTargets(text, 'f').problems.map(({ line, reason }) => `${line}: ${reason}`)).toEqual([
      '1: stands before the first [name]',
      '3: transport is neither unix nor tcp: "pigeon"',
      '5: transport is tcp, but address is missing',
      '6: target "b" is already defined in line 4',
      '7: a section is written [name]',
      '9: port is not a whole number from 1 to 65535: "many"',
      '10: neither a [name] nor key = value',
      '11: port is already set in line 9',
      '13: timeout_ms is not a whole number from 1 to 2147483647: "-5"',
    ])
  })
  test('a mistake in another section does not stand in the way', () => {
    files['/half.conf'] = '[good]\nsocket=/g\n[bad]\ntransport=pigeon\n'
    expect(found({ target: 'good', targetsFile: '/half.conf' }, TOKEN).at).toMatchObject({ path: '/g' })
    expect(problem({ target: 'bad', targetsFile: '/half.conf' }, TOKEN)).toMatchObject({
      kind: 'targets-invalid',
    })
  })
  test('CRLF, a byte order mark, blanks and unknown keys are fine', () => {
    const { targets, problems } = parseTargets('\uFEFF[ a ]\r\n  socket=/a b \r\nfuture = 1\r\n', 'f')
    expect(problems).toEqual([])
    expect(targets).toEqual([{ name: 'a', at: { kind: 'unix', path: '/a b' } }])
  })
})

test.each([
  ['h', { kind: 'tcp', host: 'h', port: 9876 }],
  ['h:80', { kind: 'tcp', host: 'h', port: 80 }],
  ['[::1]:80', { kind: 'tcp', host: '::1', port: 80 }],
  ['[::1]', { kind: 'tcp', host: '::1', port: 9876 }],
  ['h:0', null],
  ['h:65536', null],
  ['h:x', null],
  [':80', null],
  ['::1', null],
  ['', null],
])('address %s', (text, address) => expect(parseAddress(text)).toEqual(address))
