/** One window over several steps: what happens between the start of a version and the look that decides. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startedSign } from '../../src/steps/compose/standing-stack.ts'
import { composeUp } from '../../src/steps/compose/up.ts'
import type { CommandRequest, Done, Sign, StepContext } from '../../src/steps/contract/step.ts'
import { healthPoll } from '../../src/steps/health/health-poll.ts'
import { makeBaseImage, withoutDocker } from '../rig/docker.ts'
import { freePort } from '../rig/service.ts'
import { stepContext } from '../rig/step-context.ts'

const missing = withoutDocker('one window over several steps')

describe.skipIf(missing !== null)('on a real engine', () => {
  let dir: string
  let project: string
  let port: number
  let standing: Map<string, Sign>
  const serve = () => `mkdir -p /w; echo ok >/w/index.html; httpd -p 127.0.0.1:${port} -h /w`
  const write = (script: string) => {
    const command = ['sh', '-c', script.replaceAll('$', '$$$$')]
    const app = {
      image: 'hostops-base:1',
      network_mode: 'host',
      stop_grace_period: '0s',
      restart: 'always',
      volumes: ['./shared:/shared'],
      command,
    }
    writeFileSync(join(dir, 'compose.yaml'), JSON.stringify({ services: { app } }))
  }
  const context = (stepId: string, standsLater: boolean) =>
    stepContext({ timeoutMs: 120_000, jobsFolder: join(dir, '.jobs'), standing, stepId, standsLater })
  const up = (more: object) =>
    composeUp.act.run(context('up', true), composeUp.schema().parse({ dir, project, ...more }), null)
  const poll = (forTime: string) => {
    const urls = [`http://127.0.0.1:${port}/`]
    const given = { urls, timeout: '30s', for: forTime, interval: '60s' }
    return healthPoll.act.run(context('poll', false), healthPoll.schema().parse(given), null)
  }

  beforeEach(async () => {
    makeBaseImage()
    dir = mkdtempSync(join(tmpdir(), 'hostops-later-'))
    mkdirSync(join(dir, 'shared'))
    project = basename(dir).toLowerCase()
    port = await freePort()
    standing = new Map()
  })
  afterEach(() => {
    spawnSync('docker', ['compose', '-p', project, 'down', '-t', '0'], { cwd: dir })
    rmSync(dir, { recursive: true, force: true })
  })

  test('restarts that are allowed are allowed to whoever waits', async () => {
    write(
      `n=$(cat /shared/n 2>/dev/null || echo 0); echo $((n+1)) >/shared/n; ${serve()}; [ $n -gt 4 ] && exec sleep 1000; sleep 1; exit 7`,
    )
    await up({ maxRestarts: 20 })
    expect(await poll('4s')).toMatchObject({ outputs: { healthy: true } })
  })

  test('a restart by a step in between was meant', async () => {
    write(`${serve()}; exec sleep 1000`)
    await up({ for: '0s' })
    execFileSync('docker', ['restart', '-t', '0', `${project}-app-1`], { stdio: 'ignore' })
    for (const sign of standing.values()) sign.rebase()
    expect(await poll('1s')).toMatchObject({ outputs: { healthy: true } })
  })
})

describe('what the engine tells of a container', () => {
  const STARTED = '2026-11-30T12:00:00.000Z'
  const ID = 'a'.repeat(64)
  let state: object
  let restarts: number
  let isBusy: boolean
  const inspected = () =>
    JSON.stringify({
      ...{ imageName: 'i', id: ID, name: '/p-app-1', image: 'sha256:1', restarts, policy: 'always' },
      labels: { 'com.docker.compose.service': 'app' },
      state: {
        ...{ Status: 'running', ExitCode: 0, StartedAt: STARTED, FinishedAt: '0001-01-01T00:00:00Z' },
        ...state,
      },
    })
  const exec = async ({ argv }: CommandRequest): Promise<Done> => {
    if (argv[1] === 'inspect' && isBusy) await new Promise(() => {})
    const stdout = argv[1] === 'inspect' ? inspected() : ID
    return {
      code: 0,
      signal: null,
      stdout,
      stderr: '',
      truncated: { stdout: false, stderr: false },
      durationMs: 1,
    }
  }
  const ctx = (): StepContext => ({ ...stepContext(), exec })
  const sign = (maxRestarts: number) =>
    startedSign(
      {
        stack: { dir: '/x', files: [], envFiles: [], profiles: [] },
        ...{ project: 'p', forMs: null, maxRestarts },
      },
      [],
    )
  const dies = (to: Sign) => to.news?.hears(`${ID} ${Date.parse(STARTED) + 500}000000 3 die`)
  beforeEach(() => {
    state = {}
    restarts = 0
    isBusy = false
  })

  test('a death is blamed although a step in between has begun everything anew', async () => {
    const own = sign(0)
    expect(await own.look(ctx(), 1e4)).toMatchObject({ good: true })
    own.rebase()
    isBusy = true
    setTimeout(() => dies(own), 50)
    expect(await own.look(ctx(), 1e4)).toMatchObject({ good: false, final: true })
  })

  test('one that may restart has not ended while it does', async () => {
    const own = sign(3)
    await own.look(ctx(), 1e4)
    dies(own)
    state = { Status: 'restarting', Restarting: true, ExitCode: 3 }
    restarts = 1
    expect(await own.look(ctx(), 1e4)).toMatchObject({ ended: 0, final: false })
  })
})
