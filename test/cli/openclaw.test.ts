/**
 * `hostops openclaw install|uninstall` below another root, with a config that the real `hostlinkd init` wrote. The program
 * `openclaw` is a stand-in that keeps approvals in a file, as 2026.4.20 does: OpenClaw itself is played by test/openclaw.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
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
import { HOSTOPS, type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'

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
  // The node's user goes through it to the program openclaw, and to its state folder.
  chmodSync(rig.folder, 0o711)
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

const isRoot = process.getuid?.() === 0
if (!isRoot)
  console.warn('NOT TESTED: what the user of the node host may not do (this needs root to become one)')
const NOBODY = 65_534
/** A user that is really there: below another root none is made. */
const USER = ['--user', 'nobody', '--state', '/var/lib/openclaw-node']
const program = () => ['--root', root, '--openclaw', rig.path('openclaw/bin/openclaw')]

const installWords = (...args: string[]) => ['openclaw', 'install', ...program(), ...USER, ...args]
const install = (...args: string[]) => rig.run(installWords(...args))
const uninstall = (...args: string[]) => rig.run(['openclaw', 'uninstall', ...program(), ...args])
/** The state folder, as the node host has left it. */
function ownState(files: Record<string, string> = {}): void {
  mkdirSync(at(STATE), { recursive: true })
  for (const [name, text] of Object.entries(files))
    writeFileSync(at(`${STATE}/${name}`), text, { mode: 0o640 })
  if (isRoot)
    for (const name of ['', ...Object.keys(files)]) chownSync(at(`${STATE}/${name}`), NOBODY, NOBODY)
}
const check = () => spawnSync(process.execPath, [HOSTLINKD, 'check', '-c', config()], { encoding: 'utf8' })

/** Every file with its mode and its digest. */
const tree = () =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(name => name !== 'run/hostops-openclaw.lock')
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
  expect(read('etc/systemd/system/openclaw-node.service')).toContain('User=nobody')

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
  expect(read('etc/hostlink/openclaw-node.yaml')).not.toContain('imageFrom')
  expect(read('etc/hostlink/hostlink.conf').match(/^policy_file/gm)).toHaveLength(1)
  expect(read('etc/hostlink/tokens/openclaw-node')).toBe(token)
  expect(check().stdout).toMatch(/: fine/)
})

describe('files of somebody else', () => {
  test('a policy that is there stays as it is, and both count', async () => {
    const token = at('etc/hostlink/agent')
    writeFileSync(token, 'agent-token-0123456789abcdef', { mode: 0o600 })
    const policy = `tokens: { agent: { token_file: ${token}, policy: deny } } # for now\n`
    writeFileSync(at('etc/hostlink/own.yaml'), policy, { mode: 0o640 })
    writeFileSync(config(), `${readFileSync(config(), 'utf8')}policy_file = ${at('etc/hostlink/own.yaml')}\n`)
    const before = readFileSync(config(), 'utf8')
    expect((await install(...PIN, '--yes')).code).toBe(0)
    expect(check().stdout).toMatch(/: fine/)
    expect(read('etc/hostlink/hostlink.conf').match(/^policy_file/gm)).toHaveLength(2)
    await uninstall('--yes')
    expect(read('etc/hostlink/own.yaml')).toBe(policy)
    expect(readFileSync(config(), 'utf8')).toBe(before)
  })

  test.each([
    ['JSON5', '{ // mine\n  nodeHost: {} }\n'],
    ['a list where a map belongs', '{"nodeHost":{"mcp":[1]}}\n'],
  ])('what could only be guessed at is left, with the lines to add: %s', async (_, text) => {
    ownState({ 'openclaw.json': text })
    const before = tree()
    const ended = await install(...PIN, '--yes')
    expect(ended.code).toBe(3)
    expect(ended.stderr).toMatch(/no file was changed[\s\S]*hint: add it yourself\n\{/)
    expect(tree()).toEqual(before)
  })

  test('settings of OpenClaw that are strict JSON keep everything else', async () => {
    ownState({ 'openclaw.json': '{"gateway":{"port":1},"nodeHost":{"mcp":{"servers":{"x":{}}}}}' })
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
    ownState()
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
    const theirs = '{"version":1,"agents":{"main":{"allowlist":[{"pattern":"/usr/bin/rg"}]}}}'
    ownState({ 'exec-approvals.json': theirs })
    const ended = await install(...PIN, '--yes')
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('approvals that hostops has not written')
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
    [PIN, 2, /there is no terminal to ask at\nhint: --yes/],
    [[...PIN, '--dry-run'], 0, /nothing was changed/],
    [['--yes'], 2, /inputs without a value: pin them \(--pin repoPath=\.\.\./],
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

test('a config of the daemon that is missing or wrong is one error with one command to type', async () => {
  const hintsAt = async () => {
    const { code, stderr } = await install(...PIN, '--yes')
    expect(code).toBe(2)
    return stderr.split(/hint: /).slice(1)
  }
  writeFileSync(config(), 'no such = key\n')
  expect(await hintsAt()).toEqual([`hostlinkd check -c ${config()}\n`])
  rmSync(config())
  expect(await hintsAt()).toEqual(['hostlinkd init --systemd   writes the config of the daemon\n'])
})

test('an OpenClaw of old gets no MCP entry', async () => {
  rig.write('openclaw/package.json', '{"name":"openclaw","version":"2026.4.20"}')
  const ended = await install(...PIN, '--yes')
  expect(ended.stderr).toContain('MCP: not offered')
  expect(readdirSync(at(STATE)).sort()).toEqual(['exec-approvals.json', 'skills'])
})

/** Loaded into hostops first: it comes between two calls of the system, as the node's user or a death would. */
const between = (name: string, text: string) => ({ node: ['--require', rig.write(`${name}.cjs`, text)] })

describe.runIf(isRoot)('the node’s user', () => {
  test('owns what is written into the state folder, and nothing else', async () => {
    await install(...PIN, '--yes')
    const foreign = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter(name => statSync(at(name)).uid !== 0)
      .sort()
    const names = [
      '',
      '/exec-approvals.json',
      '/openclaw.json',
      '/skills',
      '/skills/hostops',
      '/skills/hostops/SKILL.md',
    ]
    expect(foreign).toEqual(names.map(name => `${STATE}${name}`))
  })

  test('cannot lead a write out of its folder by a link in place of a folder', async () => {
    mkdirSync(at('etc/hostops'))
    const swap = between(
      'swap',
      `const fs = require('node:fs'), { mkdirSync } = fs, state = ${JSON.stringify(at(STATE))}
       fs.mkdirSync = (path, ...more) => {
         const made = mkdirSync(path, ...more)
         if (path === state + '/skills/hostops') {
           fs.renameSync(state + '/skills', state + '/moved')
           fs.symlinkSync(${JSON.stringify(at('etc'))}, state + '/skills')
         }
         return made
       }`,
    )
    const ended = await rig.run(installWords(...PIN, '--yes'), swap)
    expect(ended.stderr).toMatch(/skills\/hostops\S* cannot be written: (EACCES|EPERM)/)
    expect(ended.code).toBe(2)
    expect(readdirSync(at('etc/hostops'))).toEqual([])
    expect(statSync(at('etc/hostops')).uid).toBe(0)
    rmSync(at(`${STATE}/skills`))
    expect((await uninstall('--yes')).code).toBe(0)
    expect(existsSync(at('etc/hostlink/tokens'))).toBe(false)
  })

  test('cannot hold the install up by a pipe in place of a file', async () => {
    ownState({ 'openclaw.json': '{}' })
    const swap = between(
      'swap',
      `const fs = require('node:fs'), { lstatSync } = fs, { execFileSync } = require('node:child_process')
       let looks = 0
       fs.lstatSync = (path, ...more) => {
         const stats = lstatSync(path, ...more)
         // The first look keeps the file; the second is followed by reading it.
         if (path.endsWith('-node/openclaw.json') && ++looks === 2) {
           fs.unlinkSync(path)
           execFileSync('mkfifo', [path])
         }
         return stats
       }`,
    )
    const ended = await rig.run(installWords(...PIN, '--yes'), swap)
    expect(ended.code).toBe(3)
    expect(ended.stderr).toMatch(/openclaw\.json cannot be read: this is no regular file/)
  })

  test('gets no terminal of root’s by its openclaw, and cannot outlast it', async () => {
    // It ignores TERM, and so does what it starts.
    const marks = rig.path('marks')
    mkdirSync(marks)
    chmodSync(marks, 0o777)
    const stubborn = `#!/bin/sh
trap '' TERM
(exec 3>/dev/tty && echo has-a-terminal >&3 && touch ${marks}/terminal) 2>/dev/null
sleep 600 & echo $! $$ >${marks}/pids; wait
`
    chmodSync(rig.write('openclaw/bin/openclaw', stubborn), 0o755)
    const hurry = rig.write(
      'hurry.cjs',
      `const child = require('node:child_process'), { spawnSync } = child
       child.spawnSync = (file, args, options) =>
         spawnSync(file, args, options?.timeout === 60000 ? { ...options, timeout: 1000 } : options)`,
    )
    const line = [process.execPath, '--require', hurry, HOSTOPS, ...installWords(...PIN, '--yes')]
    const ended = await new Promise<string>((resolve, reject) => {
      const child = spawn('script', ['-qec', line.join(' '), '/dev/null'], { env: rig.env, stdio: 'pipe' })
      const limit = setTimeout(() => reject(new Error('it never came back')), 60_000)
      let said = ''
      child.stdout.on('data', chunk => {
        said += chunk
      })
      child.once('close', () => {
        clearTimeout(limit)
        resolve(said)
      })
    })
    expect(ended).toContain('the approvals of the node were not changed')
    expect(ended).not.toContain('has-a-terminal')
    expect(readdirSync(marks)).toEqual(['pids'])
    const pids = readFileSync(join(marks, 'pids'), 'utf8').trim().split(' ')
    await poll(() => pids.every(pid => !existsSync(`/proc/${pid}`)))
  })
})

const MANIFEST = 'var/lib/hostops/openclaw.json'

describe('the manifest', () => {
  test('counts only while nobody else can write it', async () => {
    await install(...PIN, '--yes')
    chmodSync(at(MANIFEST), 0o666)
    const before = tree()
    for (const ended of [await install(...PIN, '--yes'), await uninstall('--yes')]) {
      expect(ended.code).toBe(2)
      expect(ended.stderr).toMatch(/can be changed by every user[^\n]*not trusted\nhint: chmod go-w/)
    }
    expect(tree()).toEqual(before)
  })

  test.runIf(isRoot)('of another owner is not taken', async () => {
    await install(...PIN, '--yes')
    chownSync(at(MANIFEST), NOBODY, NOBODY)
    expect((await uninstall('--yes')).stderr).toContain(`belongs to uid ${NOBODY}`)
    expect(existsSync(at('etc/hostlink/tokens'))).toBe(true)
  })

  test('names nothing that is executed', async () => {
    await install(...PIN, '--yes')
    const manifest = json(MANIFEST)
    manifest.options.openclaw = rig.write('evil', `#!/bin/sh\ntouch ${rig.path('executed')}\n`)
    chmodSync(rig.path('evil'), 0o755)
    writeFileSync(at(MANIFEST), JSON.stringify(manifest))
    const ended = await rig.run(['openclaw', 'uninstall', '--root', root, '--yes'])
    expect([ended.code, rig.exists('executed')]).toEqual([0, false])
    expect(ended.stderr).toContain('there is no program openclaw')
  })
})

test('one install or uninstall at a time, and the other says who is there', async () => {
  const slow = OPENCLAW.replace('fs = require', `go = ${JSON.stringify(rig.path('go'))}, fs = require`)
  const wait = "while (!fs.existsSync(go)) require('child_process').spawnSync('sleep', ['0.05'])\n"
  chmodSync(rig.write('openclaw/bin/openclaw', `${slow}${wait}`), 0o755)
  const first = rig.start(installWords(...PIN, '--yes'))
  const recorded = () => existsSync(at(MANIFEST)) && json(MANIFEST).approvals.length > 0
  await poll(recorded)
  const before = tree()
  for (const ended of [await install(...PIN, '--yes'), await uninstall('--yes')]) {
    expect(ended.code).toBe(3)
    expect(ended.stderr.split('\n')[0]).toBe(
      `error: another one is running: hostops openclaw install, process ${first.child.pid}`,
    )
  }
  expect(tree()).toEqual(before)
  rig.write('go', '')
  expect((await first.ended).code).toBe(0)
  expect((await uninstall('--yes')).code).toBe(0)
})

/** Dies before the change of that number. */
const dying = (number: number) =>
  between(
    'die',
    `let left = ${number}
     const count = (module, name, counts = () => true) => {
       const real = module[name]
       module[name] = (...args) => {
         if (counts(...args) && --left === 0) process.kill(process.pid, 'SIGKILL')
         return real(...args)
       }
     }
     for (const name of ['mkdirSync', 'renameSync']) count(require('node:fs'), name)
     count(require('node:child_process'), 'spawnSync', (_, args) => args?.includes('set'))`,
  )

test.each([
  ['the first', []],
  ['one with other options', ['--agent', 'ops', '--free', 'ref', '--free', 'imageFrom']],
])('uninstall finds all of an install that died at any change: %s', async (_, more) => {
  const before = tree()
  const isLeft = (line: string) => [STATE, `${STATE}/exec-approvals.json`].includes(line.split(' ')[0]!)
  let hasDied = true
  for (let number = 1; hasDied; number += 1) {
    if (more.length > 0) await install(...PIN, '--yes')
    hasDied = (await rig.run(installWords(...PIN, '--yes', ...more), dying(number))).signal !== null
    expect(hasDied || number > (more.length > 0 ? 10 : 30), `${number}`).toBe(true)
    const removed = await uninstall('--yes')
    // The folder of the approvals.
    const left = removed.stderr.match(/^left: (?!\S*openclaw-node\/ holds other files).*/gm)
    expect([removed.code, left], `${number}`).toEqual([0, null])
    expect(
      tree().filter(line => !isLeft(line)),
      `${number}`,
    ).toEqual(before)
    if (existsSync(at(`${STATE}/exec-approvals.json`)))
      expect(json(`${STATE}/exec-approvals.json`).agents, `${number}`).toEqual({})
    rmSync(at(STATE), { recursive: true, force: true })
  }
})

test('the value of a secret input is never printed, nor guessed', async () => {
  const playbooks = at('etc/hostops/playbooks')
  mkdirSync(playbooks, { recursive: true })
  const text =
    'hostops: 1\nname: call\ninputs: { key: { type: secret } }\nsteps: [{ run: ["true"], effect: read }]\n'
  writeFileSync(join(playbooks, 'call.yaml'), text)
  writeFileSync(config(), `${readFileSync(config(), 'utf8')}playbooks_dir = ${playbooks}\n`)
  const words = ['--playbook', 'call', '--yes']
  expect((await install(...words)).stderr).toContain('--pin key=...')
  const ended = await install(...words, '--pin', 'key=swordfish')
  expect(ended.code).toBe(0)
  expect(read('etc/hostlink/openclaw-node.yaml')).toContain('swordfish')
  for (const { stderr } of [ended, await uninstall('--yes')]) expect(stderr).not.toContain('swordfish')
})
