/**
 * `hostops openclaw install|uninstall` below another root, with a config that the real `hostlinkd init` wrote. The program
 * `openclaw` is a stand-in that keeps approvals in a file, as 2026.4.20 does: OpenClaw itself is played by test/openclaw.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HOSTLINKD } from '../rig/daemon.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const OPENCLAW = `#!${process.execPath}
const fs = require('fs'), file = process.env.OPENCLAW_STATE_DIR + '/exec-approvals.json'
const [, , what, verb] = process.argv
if (what !== 'approvals') process.exit(1)
const there = fs.existsSync(file)
if (verb === 'get') console.log(JSON.stringify({ path: file, exists: there, hash: 'x', file: there ? JSON.parse(fs.readFileSync(file)) : { version: 1 } }))
if (verb === 'set') fs.writeFileSync(file, fs.readFileSync(0))
`

let rig: HostopsRig
let root: string
beforeEach(() => {
  rig = hostopsRig()
  root = rig.path('root')
  rig.write('openclaw/package.json', '{"name":"openclaw","version":"2026.9.6"}')
  chmodSync(rig.write('openclaw/bin/openclaw', OPENCLAW), 0o755)
  for (const folder of ['run/systemd/system', 'etc/systemd/system', 'usr/local/lib', 'var/lib'])
    mkdirSync(join(root, folder), { recursive: true })
  execFileSync(process.execPath, [HOSTLINKD, 'init', '--prefix', root, '-c', config()], { stdio: 'ignore' })
})
afterEach(() => rig.remove())

const config = () => join(root, 'etc/hostlink/hostlink.conf')
const at = (path: string) => join(root, path)
const read = (path: string) => readFileSync(at(path), 'utf8')
const json = (path: string) => JSON.parse(read(path))
const PIN = ['--pin', 'repoPath=/srv/openclaw']
const STATE = 'var/lib/openclaw-node'

const install = (...args: string[]) =>
  rig.run(['openclaw', 'install', '--root', root, '--openclaw', rig.path('openclaw/bin/openclaw'), ...args])
const uninstall = (...args: string[]) => rig.run(['openclaw', 'uninstall', '--root', root, ...args])
const check = () => spawnSync(process.execPath, [HOSTLINKD, 'check', '-c', config()], { encoding: 'utf8' })

/** Every file with its mode and its digest. */
const tree = () =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map(name => {
      const { mode } = statSync(at(name))
      const digest = statSync(at(name)).isFile()
        ? createHash('sha256')
            .update(readFileSync(at(name)))
            .digest('hex')
        : ''
      return `${name} ${mode.toString(8)} ${digest}`
    })

test('installs all of it, twice the same, and takes all of it away', async () => {
  const before = tree()
  const first = await install(...PIN, '--yes')
  expect(first.stderr).toContain('agents call')
  expect([first.code, first.stdout]).toEqual([0, ''])
  expect(check().stdout).toMatch(/: fine/)
  const done = tree()
  const launcher = at('usr/local/lib/hostops/hostops-trigger')
  expect(statSync(launcher).mode & 0o7777).toBe(0o755)
  expect(spawnSync(launcher, ['--version'], { encoding: 'utf8' }).stdout).toMatch(/^hostops-trigger /)
  const approvals = json(`${STATE}/exec-approvals.json`)
  expect(approvals.defaults).toMatchObject({ security: 'deny', askFallback: 'deny' })
  expect(approvals.agents.main.allowlist).toEqual([{ pattern: launcher, argPattern: expect.any(String) }])
  expect(json(`${STATE}/openclaw.json`).nodeHost.mcp.servers.hostops.args).toContain('mcp')
  expect(read(`${STATE}/skills/hostops/SKILL.md`)).toContain(launcher)
  expect(read('etc/systemd/system/openclaw-node.service')).toContain('User=openclaw-node')

  const again = await install(...PIN, '--yes')
  expect(again.code).toBe(0)
  expect(again.stderr).not.toMatch(/^ {2}[+!]/m)
  expect(tree()).toEqual(done)

  expect((await uninstall('--yes')).code).toBe(0)
  // OpenClaw's own file stays: without it, everything would be allowed.
  const left = [STATE, `${STATE}/exec-approvals.json`]
  expect(tree().filter(line => !left.includes(line.split(' ')[0]!))).toEqual(before)
  expect(json(`${STATE}/exec-approvals.json`)).toMatchObject({ defaults: { security: 'deny' }, agents: {} })
  expect((await uninstall('--yes')).stderr).toBe('nothing is installed\n')
})

test('changed options are applied, and nothing is doubled', async () => {
  await install(...PIN, '--yes')
  const token = read('etc/hostlink/tokens/openclaw-node')
  const other = ['--agent', 'ops', '--gateway', 'gateway.example:1', '--free', 'ref', '--free', 'imageFrom']
  expect((await install(...PIN, '--yes', ...other)).code).toBe(0)
  expect(Object.keys(json(`${STATE}/exec-approvals.json`).agents)).toEqual(['ops'])
  expect(read('etc/systemd/system/openclaw-node.service')).toContain('--host gateway.example --port 1 ')
  expect(read('etc/hostlink/policy.yaml').match(/openclaw-node:/g)).toHaveLength(1)
  expect(read('etc/hostlink/policy.yaml')).not.toContain('imageFrom')
  expect(read('etc/hostlink/hostlink.conf').match(/^policy_file/gm)).toHaveLength(1)
  expect(read('etc/hostlink/tokens/openclaw-node')).toBe(token)
  expect(check().stdout).toMatch(/: fine/)
})

describe('files of somebody else', () => {
  const OWN = `# mine
tokens:
    # the agent in the container
    agent:   { token_file: ${'TOKEN'}, policy: deny }   # for now
`

  test('a policy that is there keeps every other line, and gets its own back', async () => {
    const token = at('etc/hostlink/agent')
    writeFileSync(token, 'agent-token-0123456789abcdef', { mode: 0o600 })
    const policy = OWN.replace('TOKEN', token)
    writeFileSync(at('etc/hostlink/own.yaml'), policy, { mode: 0o640 })
    writeFileSync(config(), `${readFileSync(config(), 'utf8')}policy_file = ${at('etc/hostlink/own.yaml')}\n`)
    expect((await install(...PIN, '--yes')).code).toBe(0)
    expect(read('etc/hostlink/own.yaml').startsWith(policy)).toBe(true)
    expect(check().stdout).toMatch(/: fine/)
    expect((await install(...PIN, '--yes', '--free', 'ref', '--free', 'healthTimeout')).code).toBe(0)
    await uninstall('--yes')
    expect(read('etc/hostlink/own.yaml')).toBe(policy)
  })

  test.each([
    ['flow style', '{"tokens":{"a":{"token_file":"/x","policy":"deny"}}}\n', 'etc/hostlink/own.yaml'],
    ['JSON5', '{ // mine\n  nodeHost: {} }\n', `${STATE}/openclaw.json`],
    ['a list where a map belongs', '{"nodeHost":{"mcp":[1]}}\n', `${STATE}/openclaw.json`],
  ])('what could only be guessed at is left, with the lines to add: %s', async (_, text, path) => {
    mkdirSync(at(STATE), { recursive: true })
    writeFileSync(at(path), text, { mode: 0o640 })
    if (path.endsWith('.yaml'))
      writeFileSync(config(), `${readFileSync(config(), 'utf8')}policy_file = ${at(path)}\n`)
    const before = tree()
    const ended = await install(...PIN, '--yes')
    expect(ended.code).toBe(3)
    expect(ended.stderr).toMatch(/nothing was changed[\s\S]*hint: add it yourself\n\{/)
    expect(tree()).toEqual(before)
  })

  test('settings of OpenClaw that are strict JSON keep everything else', async () => {
    mkdirSync(at(STATE), { recursive: true })
    writeFileSync(
      at(`${STATE}/openclaw.json`),
      '{"gateway":{"port":1},"nodeHost":{"mcp":{"servers":{"x":{}}}}}',
    )
    await install(...PIN, '--yes')
    const { gateway, nodeHost } = json(`${STATE}/openclaw.json`)
    expect([gateway, Object.keys(nodeHost.mcp.servers)]).toEqual([{ port: 1 }, ['x', 'hostops']])
    await uninstall('--yes')
    expect(json(`${STATE}/openclaw.json`)).toEqual({
      gateway: { port: 1 },
      nodeHost: { mcp: { servers: { x: {} } } },
    })
  })

  test('a launcher that somebody put there is not overwritten; one that was edited since is left and named', async () => {
    mkdirSync(at('usr/local/lib/hostops'))
    writeFileSync(at('usr/local/lib/hostops/hostops-trigger'), 'mine')
    expect((await install(...PIN, '--yes')).code).toBe(3)
    rmSync(at('usr/local/lib/hostops'), { recursive: true })
    await install(...PIN, '--yes')
    writeFileSync(at('etc/hostops/openclaw-node.env'), 'OPENCLAW_GATEWAY_TOKEN=x\n')
    const ended = await uninstall('--yes')
    expect(ended.stderr).toContain(`left: ${at('etc/hostops/openclaw-node.env')} was edited`)
    expect(read('etc/hostops/openclaw-node.env')).toContain('=x')
  })

  test('links are not followed, neither for reading nor for writing', async () => {
    mkdirSync(at(STATE), { recursive: true })
    const secret = at('etc/secret.json')
    writeFileSync(secret, '{"secret":true}', { mode: 0o600 })
    symlinkSync(secret, at(`${STATE}/openclaw.json`))
    symlinkSync(at('etc'), at(`${STATE}/skills`))
    const before = tree()
    const ended = await install(...PIN, '--yes')
    expect(ended.code).toBe(3)
    expect(ended.stderr).toMatch(/openclaw\.json is not a file[\s\S]*skills is not a folder/)
    expect(tree()).toEqual(before)
  })

  test('approvals that hostops has not written stay, and what to add is printed', async () => {
    mkdirSync(at(STATE), { recursive: true })
    const theirs = '{"version":1,"agents":{"main":{"allowlist":[{"pattern":"/usr/bin/rg"}]}}}'
    writeFileSync(at(`${STATE}/exec-approvals.json`), theirs)
    const ended = await install(...PIN, '--yes')
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('which hostops has not written')
    expect(read(`${STATE}/exec-approvals.json`)).toBe(theirs)
  })
})

test.each(['mkdir', 'mkfifo'])(
  'what the node’s user puts in the way keeps neither grant nor token: %s',
  async tool => {
    await install(...PIN, '--yes')
    for (const name of ['skills/hostops/SKILL.md', 'openclaw.json']) {
      rmSync(at(`${STATE}/${name}`))
      execFileSync(tool, [at(`${STATE}/${name}`)])
    }
    const ended = await uninstall('--yes')
    expect(ended.code).toBe(0)
    expect(ended.stderr).toMatch(/left: \S+SKILL\.md is not a file/)
    expect(readdirSync(at('etc/hostlink'))).not.toContain('tokens')
    expect(read('etc/hostlink/hostlink.conf')).not.toMatch(/^policy_file/m)
  },
)

test('changes nothing without an answer, with --dry-run, and where something is missing', async () => {
  const before = tree()
  const cases: [string[], number, RegExp][] = [
    [PIN, 2, /nobody is there to be asked\nhint: say --yes/],
    [[...PIN, '--dry-run'], 0, /nothing was changed/],
    [['--yes'], 2, /say what is fixed \(--pin repoPath=\.\.\./],
    [[...PIN, '--yes', '--playbook', 'none'], 2, /no playbook none is installed/],
    [[...PIN, '--yes', '--user', 'root'], 2, /runs as root is refused/],
    [[...PIN, '--yes', '--pin', 'reff=v1'], 2, /no granted playbook has an input reff/],
    [[...PIN, '--yes', '--pin', 'ref'], 2, /--pin ref is not KEY=VALUE/],
    [[...PIN, '--yes', '--state', '/var/lib/a b'], 2, /has a blank or a quote/],
    [[...PIN, '--yes', '--gateway', 'x'], 2, /--gateway is not HOST:PORT/],
    [[...PIN, '--yes', '--config', '/none'], 2, /hostlinkd init/],
  ]
  for (const [args, code, words] of cases) {
    const ended = await install(...args)
    expect([ended.code, ended.stdout], args.join(' ')).toEqual([code, ''])
    expect(ended.stderr).toMatch(words)
  }
  expect(tree()).toEqual(before)
})

test('an OpenClaw of old gets no MCP entry', async () => {
  rig.write('openclaw/package.json', '{"name":"openclaw","version":"2026.4.20"}')
  const ended = await install(...PIN, '--yes')
  expect(ended.stderr).toContain('MCP: not offered')
  expect(readdirSync(at(STATE)).sort()).toEqual(['exec-approvals.json', 'skills'])
})
