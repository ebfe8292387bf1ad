/** Git steps on Windows with a real git.exe, and the one lock that runs for one checkout share. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { reportOf } from '../rig/hostops.ts'
import { NODES, noWindowsGit, openWindows, type Windows } from '../rig/windows.ts'

const PLAYBOOK = `hostops: 1
name: checkout
inputs:
  repo: { type: path }
  ref: { type: ref, default: v2 }
  fails: { type: boolean, default: false }
  pause: { type: string, default: "0" }
steps:
  - id: clean
    uses: git.dirty-check
    with: { repo: "\${{ inputs.repo }}" }
  - id: checkout
    uses: git.checkout
    with: { repo: "\${{ inputs.repo }}", ref: "\${{ inputs.ref }}" }
  - id: pause
    run: [node, -e, "setTimeout(() => {}, Number(process.argv[1]))", "\${{ inputs.pause }}"]
    effect: read
  - id: fail
    when: inputs.fails
    run: [node, -e, process.exit(1)]
    effect: read
`

let windows: Windows
let repo: string
const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.invalid', ...args], {
    cwd: repo,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim()

beforeAll(() => {
  if (noWindowsGit !== null) return
  windows = openWindows()
  windows.write('C:\\w\\checkout.yaml', PLAYBOOK)
  repo = windows.of('C:\\w\\Repo')
})
afterAll(() => windows?.close())
beforeEach(() => {
  if (noWindowsGit !== null) return
  rmSync(repo, { recursive: true, force: true })
  mkdirSync(repo)
  git('init', '-q', '-b', 'main')
  for (const tag of ['v1', 'v2']) {
    writeFileSync(join(repo, 'file.txt'), `${tag}\n`)
    git('add', '.')
    git('commit', '-q', '-m', tag)
    git('tag', tag)
  }
  git('checkout', '-q', '--detach', 'v1')
})

const textHere = () => readFileSync(join(repo, 'file.txt'), 'utf8')

describe.skipIf(noWindowsGit).each(NODES)('on Node %s', node => {
  const run = async (...inputs: string[]) => {
    const words = inputs.flatMap(each => ['-i', each])
    const done = await windows.hostops(node, 'run', 'C:\\w\\checkout.yaml', ...words).ended
    return { ...done, report: reportOf(done.stdout) }
  }

  test('a checkout moves, and moves back when a later step fails', async () => {
    const good = await run('repo=C:\\w\\Repo')
    expect(good.report, good.stderr).toMatchObject({ outcome: 'succeeded', afterSha: git('rev-parse', 'v2') })
    expect(textHere()).toBe('v2\n')
    git('checkout', '-q', '--detach', 'v1')
    const failed = await run('repo=C:\\w\\Repo', 'fails=true')
    expect(failed.report, failed.stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    expect([textHere(), git('rev-parse', 'HEAD')]).toEqual(['v1\n', git('rev-parse', 'v1')])
  })

  test('what it leaves out there is in the plan and in the report', async () => {
    const { report } = await run('repo=C:\\w\\Repo')
    expect(report.steps.map(({ leftOut = [] }) => leftOut.length > 0)).toEqual([true, true, false, false])
    const dry = await windows.hostops(
      node,
      'run',
      'C:\\w\\checkout.yaml',
      '-i',
      'repo=C:\\w\\Repo',
      '--dry-run',
    ).ended
    expect(`${dry.stdout}${dry.stderr}`).toContain('not on this target: who holds a locked index')
  })

  test('a dirty tree is refused', async () => {
    writeFileSync(join(repo, 'file.txt'), 'mine\n')
    const { report } = await run('repo=C:\\w\\Repo')
    expect(report).toMatchObject({ outcome: 'refused', errorCode: 'dirty-tree' })
    expect(textHere()).toBe('mine\n')
  })

  test('of runs for one folder in four spellings one gets the lock', async () => {
    const spellings = ['C:\\w\\Repo', 'c:/W/REPO/', 'C:/w\\repo', 'C:\\w\\REPO\\']
    const ended = await Promise.all(spellings.map(each => run(`repo=${each}`, 'pause=4000')))
    const outcomes = ended.map(({ report }) => report.errorCode ?? report.outcome).sort()
    expect(outcomes, ended.map(({ stderr }) => stderr).join('\n')).toEqual([
      'lock-held',
      'lock-held',
      'lock-held',
      'succeeded',
    ])
  })
})
