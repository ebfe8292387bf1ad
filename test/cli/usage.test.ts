/** What is typed wrong gets an answer that says what to type instead; a run gets a report with it. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HostopsRig, hostopsRig, poll, settled } from '../rig/hostops.ts'

let rig: HostopsRig
beforeAll(() => {
  rig = hostopsRig()
  rig.write('a.yaml.txt', 'no json')
})
afterAll(() => rig.remove())

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  for (const flag of ['--version', '-V']) {
    expect(await rig.run([flag])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' })
  }
})

test('--help goes to stdout, nothing at all shows the same on stderr', async () => {
  const help = await rig.run(['--help'])
  expect(help).toMatchObject({ code: 0, stderr: '' })
  expect(help.stdout).toMatch(/^usage: hostops/)
  expect(help.stdout.split('\n').every(line => line.length <= 80)).toBe(true)
  const bare = await rig.run([])
  expect(bare.code).toBe(2)
  expect(help.stdout).toContain(bare.stderr.trim())
})

test('help COMMAND is COMMAND --help', async () => {
  const all = (await rig.run(['--help'])).stdout
  for (const command of [[], ['help']]) expect((await rig.run(['help', ...command])).stdout).toBe(all)
  const ended = await rig.run(['help', 'run'])
  expect(ended).toMatchObject({ code: 0, stdout: (await rig.run(['run', '--help'])).stdout, stderr: '' })
  expect(ended.stdout).toMatch(/^usage: hostops run /)
})

describe('a mistake is answered with what to type instead', () => {
  test.each([
    [['rnu'], "error: unknown command 'rnu'\nhint: did you mean run?\n"],
    [['frobnicate'], "error: unknown command 'frobnicate'\nhint: hostops --help\n"],
    [['report'], "error: missing required argument 'run'\nhint: hostops report --help\n"],
    [['runs', '--jsn'], "error: unknown option '--jsn'\nhint: did you mean --json?\n"],
    [['runs', '--limit', 'x'], 'error: --limit takes a whole number from 1\nhint: hostops runs --limit 20\n'],
    [['doctor', '--target', 'locl'], 'error: there is no target "locl"\nhint: did you mean local?\n'],
    [
      ['list', '--playbooks', 'nope'],
      'error: --playbooks: there is no folder "nope"\nhint: name a folder that holds NAME.yaml files\n',
    ],
    [
      ['show', 'a', '--playbooks', 'a.yaml.txt'],
      'error: --playbooks: there is no folder "a.yaml.txt"\nhint: name a folder that holds NAME.yaml files\n',
    ],
    [['help', 'rnu'], "error: unknown command 'rnu'\nhint: did you mean run?\n"],
    [['rnu', '--help'], "error: unknown command 'rnu'\nhint: did you mean run?\n"],
    [
      ['report', 'last'],
      'error: there is no run yet in /scratch/state\nhint: hostops runs   lists them; those of a host: hostops runs --target hostlink\n',
    ],
  ])('%j', async (args, stderr) => {
    const ended = await rig.run(args)
    expect(settled(ended.stderr, rig.folder)).toBe(stderr)
    expect(ended).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('of a run, with a report', () => {
  const cases: [string, string[], RegExp, RegExp][] = [
    [
      'an option that does not exist',
      ['run', 'x', '--tarhet', 'a'],
      /unknown option '--tarhet'/,
      /did you mean --target\?/,
    ],
    ['no playbook', ['run'], /missing required argument 'playbook'/, /hostops run --help/],
    [
      'two playbooks',
      ['run', 'a', 'b'],
      /too many arguments.*expected 1 argument but got 2/,
      /hostops run --help/,
    ],
    [
      'an input without -i',
      ['run', 'a', 'text=hunter2'],
      /too many arguments(?!.*hunter2)/s,
      /an input is given with -i: -i text=\.\.\./,
    ],
    ['a folder', ['run', '/etc'], /^\/etc: this is a folder$/, /name the file of one playbook/],
    ['an option without its value', ['run', 'a', '--inputs'], /argument missing/, /hostops run --help/],
    [
      'a form that does not exist',
      ['run', 'a', '--output', 'xml'],
      /Allowed choices are auto, tree, lines, json/,
      /hint/,
    ],
    [
      'a playbook that does not exist',
      ['run', 'upgrade-openclw'],
      /no playbook "upgrade-openclw"/,
      /did you mean "upgrade-openclaw"\?/,
    ],
    ['a file without its ending', ['run', 'a'], /no playbook "a"/, /did you mean "a\.yaml"\?/],
    ['a file that is misspelt', ['run', './aa.yaml'], /no playbook/, /did you mean "a\.yaml"\?/],
    ['a file that does not exist', ['run', './gone.yaml'], /no playbook "\.\/gone\.yaml"/, /hostops list/],
    [
      'a timeout that is none',
      ['run', 'a.yaml', '--timeout', '5'],
      /--timeout is no time limit/,
      /30s, 5m or 2h/,
    ],
    [
      'a timeout of no time',
      ['run', 'a.yaml', '--timeout', '0s'],
      /--timeout is no time limit/,
      /from 1 and ms/,
    ],
    [
      'a playbook of a folder that does not exist, though there is one of that name',
      ['run', 'upgrade-openclaw', '--playbooks', 'nope'],
      /--playbooks: there is no folder "nope"/,
      /NAME\.yaml/,
    ],
    ['no name for the report', ['run', 'a.yaml', '--report-file', ''], /--report-file is empty/, /hint/],
    [
      'a report where none can be, which is not tried',
      ['run', 'a.yaml', '--report-file', 'gone/x'],
      /gone\/x stands in a folder that does not exist$/,
      /^(?!error: cannot write)/,
    ],
    ['a run id with slashes', ['run', 'a.yaml', '--run-id', '../x'], /--run-id is no run id/, /at most 64/],
    [
      'a dry run and a check at once',
      ['run', 'a.yaml', '--dry-run', '--check'],
      /--dry-run and --check exclude each other/,
      /hint/,
    ],
    [
      'an input that is none',
      ['run', 'a.yaml', '-i', 'x'],
      /-i: number 1 is not written as NAME=VALUE/,
      /hostops show a\.yaml/,
    ],
    ['inputs that are no JSON', ['run', 'a.yaml', '--inputs', 'a.yaml.txt'], /not JSON/, /hint/],
    [
      'a target that does not exist',
      ['run', 'a.yaml', '--target', 'hostlnk:x'],
      /there is no target "hostlnk:x"/,
      /did you mean hostlink\?/,
    ],
    [
      'the same in a dry run',
      ['run', 'a.yaml', '--target', 'hostlnk:x', '--dry-run'],
      /there is no target/,
      /hint/,
    ],
    ['a dry run on the host', ['run', 'a.yaml', '--dry-run', '--on-host'], /contacts no host/, /hint/],
    [
      'a run on a host that offers none',
      ['run', 'a.yaml', '--on-host', '--target', 'ssh:x'],
      /offers no runs/,
      /hint/,
    ],
    [
      'a settings file that is missing',
      ['run', 'a.yaml', '--config', 'gone.yaml'],
      /gone\.yaml/,
      /gone\.yaml/,
    ],
  ]
  beforeAll(() => {
    rig.playbook('a', [{ run: ['touch', rig.path('executed')] }])
  })
  test.each(cases)('%s', async (_, args, error, stderr) => {
    const ended = await rig.run(args)
    expect(ended.report).toMatchObject({ outcome: 'invalid', success: false, changed: false })
    expect(ended.report.error).toMatch(error)
    expect(ended.stderr).toMatch(stderr)
    expect(ended.stderr).not.toMatch(/\n {4}at /)
    expect(ended.code).toBe(2)
    expect(rig.exists('executed')).toBe(false)
  })
})

test('a mistake is kept where the settings say, as everything else is', async () => {
  const config = rig.write('elsewhere.yaml', 'stateDir: ./kept-here\n')
  const env = { HOSTOPS_STATE_DIR: '' }
  const ended = await rig.run(['run', 'x', '--no-such-option', '--config', config], { env })
  expect((await rig.run(['report', ended.report.runId, '--config', config], { env })).stdout).toBe(
    ended.stdout,
  )
})

describe('a file that is no playbook', () => {
  test.each([
    ['empty', ''],
    ['tabs', 'hostops: 1\n\tname: x\n'],
    ['binary', '\u0000\u0001\u0002'],
    ['a list', '- a\n- b\n'],
    ['duplicate keys', 'hostops: 1\nname: a\nname: b\nsteps: []\n'],
    ['11 MB', `hostops: 1\n#${'x'.repeat(11_000_000)}\n`],
    ['an id twice', 'hostops: 1\nname: a\nsteps:\n  - { id: s, run: [a] }\n  - { id: s, run: [a] }\n'],
    ['an alias', 'hostops: 1\nname: &a x\nsteps: *a\n'],
  ])('%s', async (name, text) => {
    const ended = await rig.run(['run', rig.write(`${name.replaceAll(' ', '-')}.yaml`, text)])
    expect(ended.report).toMatchObject({ outcome: 'invalid', errorCode: 'playbook-invalid' })
    expect(ended.stderr).toMatch(/\.yaml(:\d+:\d+)?: error: /)
    expect(ended.stderr).not.toMatch(/\n {4}at /)
    expect(ended.code).toBe(2)
  })
})

test('a pipe that nobody writes to is not waited for', async () => {
  execFileSync('mkfifo', [rig.path('pipe.yaml')])
  const ended = await rig.run(['run', 'pipe.yaml'])
  expect(ended.report).toMatchObject({ outcome: 'invalid', errorCode: 'playbook-unreadable' })
  expect(ended.report.error).toBe('pipe.yaml: this is no regular file')
})

describe('values from pipes', () => {
  const takes = { inputs: { text: { type: 'string' }, none: { type: 'string', default: 'x' } } }
  const says = () =>
    rig.playbook('says', [{ run: ['echo', '<${{ inputs.text }}${{ inputs.none }}>'], effect: 'read' }], takes)

  test('of the shell are read to their end, also where nothing comes', async () => {
    const shell = '"$0" "$@" -i text=@<(sleep 0.1; echo hello) -i none=@<(true)'
    const ended = await rig.run(['run', says()], { wrap: ['bash', '-c', shell] })
    expect(ended.stderr).toContain('run | <hello>')
  })

  test.each([
    ['here', []],
    ['on the host', ['--on-host']],
  ])('that nobody writes to hold no Ctrl-C back: %s', async (where, more) => {
    const pipe = rig.path(`never-${where.replaceAll(' ', '-')}`)
    execFileSync('mkfifo', [pipe])
    const run = rig.start(['run', says(), '-i', `text=@${pipe}`, ...more])
    const fds = `/proc/${run.child.pid}/fd`
    await poll(() => readdirSync(fds).some(fd => isAt(join(fds, fd), pipe)))
    run.child.kill('SIGINT')
    const ended = await run.ended
    expect([ended.code, ended.report.outcome]).toEqual([130, 'interrupted'])
  })
})

function isAt(link: string, path: string): boolean {
  try {
    return readlinkSync(link) === path
  } catch {
    return false
  }
}

test('the whole output of a run', async () => {
  const steps = [
    { id: 'hello', name: 'Say hello', run: ['echo', 'hello'], effect: 'read' },
    { id: 'never', run: ['echo', 'never'], when: '${{ false }}' },
  ]
  const playbook = rig.playbook('two', [
    ...steps,
    {
      id: 'flaky',
      run: ['false'],
      effect: 'read',
      continueOnError: true,
      retry: { attempts: 2, delay: '10ms' },
    },
  ])
  const ended = await rig.run(['run', playbook])
  expect(settled(ended.stderr, rig.folder)).toMatchSnapshot('stderr')
  expect(settled(ended.stdout, rig.folder)).toMatchSnapshot('stdout')
  const json = await rig.run(['run', playbook, '--output', 'json'])
  const events = json.stderr
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(events.map(event => event.type)).toMatchSnapshot('events')
  const quiet = await rig.run(['run', rig.playbook('one', steps), '--quiet'])
  expect(quiet.stderr).toBe('')
  expect(quiet.report.outcome).toBe('succeeded')
})
