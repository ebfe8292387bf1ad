/** An allowlist at a real daemon: what its holder may try with programs, folders and files. */
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { askOnce } from '../../rig/ask.ts'
import { type DaemonRig, type RigOptions, startDaemonRig } from '../../rig/daemon.ts'

const TOKEN = 'narrow-token-0123456789'
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0

let folder: string
let daemon: DaemonRig | null = null
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostlink-allow-')))
  chmodSync(folder, 0o755)
})
afterEach(async () => {
  await daemon?.stop()
  daemon = null
  rmSync(folder, { recursive: true, force: true })
})

const at = (name: string) => join(folder, name)
const WHO = 'whoever holds the token may be one of them, and lead the command elsewhere'

/** Each rule is written as in policy.yaml, from line 6 on; answers how to ask it for a command. */
async function allow(rules: object[], options: RigOptions = {}) {
  writeFileSync(at('agent'), TOKEN, { mode: 0o600 })
  const lines = rules.map(rule => `      - ${JSON.stringify(rule)}\n`).join('')
  const head = `tokens:\n  agent:\n    token_file: ${at('agent')}\n    policy: allowlist\n    allow:\n`
  writeFileSync(at('policy.yaml'), head + lines)
  const rig = await startDaemonRig({
    ...options,
    config: { policy_file: at('policy.yaml'), ...options.config },
  })
  daemon = rig
  return async (argv: string[], more: object = {}) => {
    const answer = await askOnce({ socket: rig.socket, token: TOKEN }, { type: 'exec', argv, ...more })
    return answer.status === 'ok' ? answer['stdout'] : answer.error_msg
  }
}

test('a program is called by the name in its rule: some read files beside the name that they are given', async () => {
  const ask = await allow([{ argv: ['sh', '-c', 'echo "$0"'] }])
  symlinkSync('/bin/sh', at('sh'))
  expect(await ask(['sh', '-c', 'echo "$0"'])).toBe('sh\n')
  expect(await ask([at('sh'), '-c', 'echo "$0"'])).toBe('sh\n')
})

test.runIf(isRoot)(
  'a folder, a file or a program that somebody gets after the start is not used any more',
  async () => {
    mkdirSync(at('bound'))
    mkdirSync(at('bin'))
    for (const name of ['bound/file', 'other']) writeFileSync(at(name), 'x\n')
    const env = { PATH: `${at('bin')}:${process.env['PATH']}` }
    const ask = await allow(
      [
        { argv: ['pwd'], workdir: at('bound') },
        { argv: ['cat', `{path:${at('bound')}/**}`] },
        { argv: ['head', at('other')] },
        { argv: ['uname', '-s'] },
      ],
      { env },
    )
    const pwd = () => ask(['pwd'], { workdir: at('bound') })
    const cat = () => ask(['cat', at('bound/file')])
    expect([await pwd(), await cat()]).toEqual([`${at('bound')}\n`, 'x\n'])
    expect([await ask(['head', at('other')]), await ask(['uname', '-s'])]).toEqual(['x\n', 'Linux\n'])
    chmodSync(at('bound/file'), 0o666)
    expect(await cat()).toBe(
      `policy.yaml:7: ${at('bound/file')} can be changed by every user of this machine: ${WHO}`,
    )
    chownSync(at('bound'), NOBODY, NOBODY)
    expect(await pwd()).toBe(`policy.yaml:6: ${at('bound')} belongs to uid ${NOBODY}: ${WHO}`)
    expect(await cat()).toBe(`policy.yaml:7: ${at('bound')} belongs to uid ${NOBODY}: ${WHO}`)
    chownSync(at('other'), NOBODY, NOBODY)
    expect(await ask(['head', at('other')])).toBe(
      `policy.yaml:8: ${at('other')} belongs to uid ${NOBODY}: ${WHO}`,
    )
    // A link to a program that may be trusted, made by one who may not.
    chmodSync(at('bin'), 0o777)
    symlinkSync('/bin/echo', at('bin/uname'))
    expect(await ask(['uname', '-s'])).toBe(
      `policy.yaml:9: ${at('bin')} can be changed by every user of this machine: ${WHO}`,
    )
  },
)

test.runIf(isRoot)('nor is a file of somebody else that a rule names in any other way', async () => {
  mkdirSync(at('bound/logs'), { recursive: true })
  mkdirSync(at('bound/sub'))
  for (const name of ['bound/task.sh', 'bound/sub/list', 'bound/data']) writeFileSync(at(name), 'true\n')
  const list = (argv: string[]) => ({ argv, workdir: at('bound') })
  const commands = [
    ['sh', 'task.sh'],
    ['sort', '--files0-from=sub/list'],
    ['sort', '-osub/list', '/dev/null'],
    ['echo', 'type=bind,src=data'],
    ['echo', '@data'],
    ['echo', `--secret=id=a,src=${at('bound/data')}`],
    ['echo', `file://${at('bound/data')}`],
    // A folder of that name is seldom what is meant.
    ['echo', 'logs'],
  ]
  const ask = await allow(commands.map(list))
  for (const name of ['task.sh', 'sub', 'data', 'logs']) chownSync(at(`bound/${name}`), NOBODY, NOBODY)
  const said = await Promise.all(commands.map(argv => ask(argv, { workdir: at('bound') })))
  const theirs = (line: number, name: string) =>
    `policy.yaml:${line}: ${at(name)} belongs to uid ${NOBODY}: ${WHO}`
  expect(said).toEqual([
    theirs(6, 'bound/task.sh'),
    theirs(7, 'bound/sub'),
    theirs(8, 'bound/sub'),
    theirs(9, 'bound/data'),
    theirs(10, 'bound/data'),
    theirs(11, 'bound/data'),
    theirs(12, 'bound/data'),
    'logs\n',
  ])
})

test.runIf(isRoot)('with run_as_user the folders are that user’s, and commands run in them', async () => {
  mkdirSync(at('bound/sub'), { recursive: true })
  mkdirSync(at('run'))
  for (const name of ['bound', 'bound/sub', 'run']) chownSync(at(name), NOBODY, NOBODY)
  const rule = { argv: ['pwd'], workdir: `{path:${at('bound')}/**}` }
  const config = { run_as_user: 'nobody', unix_path: at('run/h.sock'), output_tmpdir: at('out') }
  const ask = await allow([rule], { config })
  expect(await ask(['pwd'], { workdir: at('bound/sub') })).toBe(`${at('bound/sub')}\n`)
  expect(await ask(['pwd'], { workdir: at('bound') })).toContain('the workdir is not within')
})

test('a word that is a file in the working folder does not lead out of it', async () => {
  mkdirSync(at('bound/sub'), { recursive: true })
  writeFileSync(at('bound/sub/file'), 'inside\n')
  writeFileSync(at('secret'), 'SECRET\n')
  symlinkSync('../secret', at('bound/out'))
  symlinkSync('sub', at('bound/in'))
  symlinkSync('../../secret', at('bound/sub/out'))
  const ask = await allow([
    { argv: ['cat', '{ref}'], workdir: at('bound') },
    { argv: ['cat', `{path:${at('bound')}/**}`] },
    { argv: ['tail', '--lines={name}'], workdir: at('bound') },
    { argv: ['head', 'theirs/file'], workdir: `{path:${folder}/**}` },
  ])
  const cat = (ref: string) => ask(['cat', ref], { workdir: at('bound') })
  expect([await cat('sub/file'), await cat('in/file')]).toEqual(['inside\n', 'inside\n'])
  for (const ref of ['out', 'sub/out', 'in/out'])
    expect(await cat(ref)).toBe(`policy.yaml:6: ${ref} leads out of the rule's workdir`)
  for (const path of ['bound/out', 'bound/sub/out', 'bound/in/out'])
    expect(await ask(['cat', at(path)])).toBe(`policy.yaml:7: ${at(path)} leads out of ${at('bound')}`)
  expect(await ask(['tail', '--lines=out'], { workdir: at('bound') })).toContain('out leads out of')
  expect(await ask(['cat', at('bound/in/file')])).toBe('inside\n')
  writeFileSync(at('bound/a:b'), '')
  symlinkSync('a:b', at('bound/odd'))
  expect(await ask(['cat', at('bound/odd')])).toBe(
    `policy.yaml:7: ${at('bound/odd')} leads to a name that no hole takes`,
  )
  mkdirSync(at('bound/theirs'))
  writeFileSync(at('bound/theirs/file'), 'x\n')
  const head = () => ask(['head', 'theirs/file'], { workdir: at('bound') })
  expect(await head()).toBe('x\n')
  chmodSync(at('bound/theirs'), 0o777)
  expect(await head()).toContain(`${at('bound/theirs')} can be changed by every user`)
})
