/** Versions that fail in their own ways, through each of the steps that wait, on a real engine. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Failed, type Failure } from '../../src/failure.ts'
import { composeUp } from '../../src/steps/compose/up.ts'
import { composeWait } from '../../src/steps/compose/wait.ts'
import type { StepContext, StepResult } from '../../src/steps/contract/step.ts'
import { healthPoll } from '../../src/steps/health/health-poll.ts'
import { makeBaseImage, withoutDocker } from '../rig/docker.ts'
import { freePort } from '../rig/service.ts'
import { type Rig, stepContext } from '../rig/step-context.ts'

const missing = withoutDocker('what stands on a real engine')
const WAITS = ['compose.up', 'compose.wait', 'health.poll'] as const
type Wait = (typeof WAITS)[number]

const ANSWER = 'mkdir -p /w; echo ok >/w/index.html; httpd -p 127.0.0.1:PORT -h /w'
const LOOP = '    restart: always\n'
const ONCE = '    restart: "no"\n'
const checked = (line: string, more = '') =>
  `    healthcheck: { test: ["CMD-SHELL", ${JSON.stringify(line)}], interval: 300ms, retries: 1${more} }\n`

describe.skipIf(missing !== null)('on a real engine', { timeout: 60_000 }, () => {
  let dir: string
  let port: number
  let project: string
  let number = 0
  beforeEach(async () => {
    makeBaseImage()
    dir = mkdtempSync(join(tmpdir(), 'hostops-standing-'))
    mkdirSync(join(dir, 'shared'))
    port = await freePort()
    number += 1
    project = `hopsstand${process.pid}x${number}`
  })
  afterEach(() => {
    spawnSync('docker', ['compose', '-p', project, 'down', '-t', '0', '-v', '--remove-orphans'], { cwd: dir })
    rmSync(dir, { recursive: true, force: true })
  })

  const write = (script: string, more = '') => {
    const line = JSON.stringify(script.replaceAll('PORT', `${port}`).replaceAll('$', '$$$$'))
    writeFileSync(
      join(dir, 'compose.yaml'),
      `services:\n  app:\n    image: hostops-base:1\n    network_mode: host\n    stop_grace_period: 0s\n    volumes: ["./shared:/shared"]\n    command: ["sh", "-c", ${line}]\n${more}`,
    )
  }
  const context = (standing: StepContext['standing'], stepId: string, standsLater: boolean) =>
    stepContext({ timeoutMs: 120_000, jobsFolder: join(dir, '.jobs'), standing, stepId, standsLater })
  const poll = (more: object = {}) =>
    healthPoll.schema().parse({
      urls: [`http://127.0.0.1:${port}/`],
      timeout: '30s',
      for: '4s',
      // Longer than any test: Docker tells what happens in between.
      interval: '60s',
      ...more,
    })

  let watchedSeconds: () => number
  /** As a run of a playbook that ends in this step would. */
  async function through(wait: Wait): Promise<StepResult> {
    const standing: StepContext['standing'] = new Map()
    const stack = { dir, project }
    const up = composeUp.schema().parse({ ...stack, for: '4s' })
    const first = context(standing, 'up', wait !== 'compose.up')
    watchedSeconds = first.watchedSeconds
    const started = await composeUp.act.run(first, up, null)
    if (wait === 'compose.up') return started
    const last = context(standing, 'wait', false)
    watchedSeconds = () => first.watchedSeconds() + last.watchedSeconds()
    if (wait === 'health.poll') return healthPoll.act.run(last, poll(), null)
    const gate = composeWait.schema().parse({ ...stack, timeout: '30s', for: '4s' })
    return composeWait.act.run(last, gate, null)
  }
  const failureOf = (wait: Wait) => failureIn(through(wait))
  const failureIn = async (work: Promise<StepResult>): Promise<Failure> => {
    try {
      await work
    } catch (error) {
      if (error instanceof Failed) return error.failure
      throw error
    }
    throw new Error('it stands')
  }

  describe.each(WAITS)('%s', wait => {
    test.each([
      ['crashes at once, again and again', 'exit 3', LOOP, /restarted.*exit code 3/],
      ['answers for 2 s and crashes, again and again', `${ANSWER}; sleep 2; exit 7`, LOOP, /exit code 7/],
      ['crashes once, after 3 s', `${ANSWER}; sleep 3; exit 3`, ONCE, /exit code 3/],
      [
        'gets unhealthy after 2 s',
        `${ANSWER}; sleep 2; touch /tmp/bad; exec sleep 1000`,
        checked('echo no database; [ ! -e /tmp/bad ]'),
        /unhealthy: no database/,
      ],
      [
        'has a health check that flaps',
        `${ANSWER}; while sleep 1; do touch /tmp/bad; sleep 1; rm /tmp/bad; done`,
        checked('[ ! -e /tmp/bad ]'),
        /unhealthy/,
      ],
      [
        'has two replicas of which one is bad',
        `mkdir /shared/first || { sleep 2; exit 3; }; ${ANSWER}; exec sleep 1000`,
        `${LOOP}    scale: 2\n`,
        /exit code 3/,
      ],
    ])('is ended by a version that %s', async (_name, script, more, detail) => {
      write(script, more)
      const started = performance.now()
      const failure = await failureOf(wait)
      expect(failure).toMatchObject({
        code: 'not-stable',
        services: ['app'],
        detail: expect.stringMatching(detail),
      })
      expect(failure).toMatchObject({ failedService: { name: 'app' } })
      // Long before the 30 s that the step may wait.
      const seconds = (performance.now() - started) / 1000
      expect(seconds).toBeLessThan(20)
      expect(watchedSeconds()).toBeGreaterThan(0)
      expect(watchedSeconds()).toBeLessThan(seconds)
    })
    test.each([
      ['without a health check', `${ANSWER}; exec sleep 1000`, ''],
      [
        'that takes 6 s to its first answer',
        `sleep 6; ${ANSWER}; exec sleep 1000`,
        checked(`wget -q -O /dev/null http://127.0.0.1:PORT/`, ', start_period: 20s'),
      ],
    ])('lets a version stand %s', async (_name, script, more) => {
      write(script, more.replaceAll('PORT', `${port}`))
      const started = performance.now()
      await through(wait)
      expect(watchedSeconds()).toBeGreaterThan(3.9)
      expect(performance.now() - started).toBeGreaterThan(
        script.startsWith('sleep 6') && wait !== 'compose.up' ? 9900 : 3900,
      )
    })
    test('takes an end with exit code 0 after 3 s for what it is', async () => {
      write(`${ANSWER}; sleep 3; exit 0`, ONCE)
      // Nobody says that it was not meant to end, until something asks it.
      if (wait === 'compose.up') await through(wait)
      else
        expect(await failureOf(wait)).toMatchObject({
          code: 'not-stable',
          detail: expect.stringContaining('exit code 0'),
        })
    })
  })

  test('one window serves all of them, and a second of it is counted once', async () => {
    write(`${ANSWER}; exec sleep 1000`)
    const standing: StepContext['standing'] = new Map()
    const stack = { dir, project }
    const started = performance.now()
    const contexts = ['up', 'wait', 'poll'].map(id => context(standing, id, id !== 'poll'))
    const [first, second, last] = contexts as [Rig, Rig, Rig]
    await composeUp.act.run(first, composeUp.schema().parse({ ...stack, for: '5s' }), null)
    await composeWait.act.run(second, composeWait.schema().parse(stack), null)
    await healthPoll.act.run(last, poll({ for: '1s' }), null)
    const seconds = (performance.now() - started) / 1000
    // The longest that any of them names, once.
    expect(last.watchedSeconds()).toBeGreaterThan(4.9)
    expect(contexts.reduce((sum, each) => sum + each.watchedSeconds(), 0)).toBeLessThan(seconds)
    expect(first.watchedSeconds() + second.watchedSeconds()).toBeLessThan(4.5)
  })

  // By then the looks alone are 8 s apart, and the next one would come after 16 s.
  test.each([
    ['Docker tells of an end between two looks', true],
    ['where Docker tells nothing by itself it is asked more often', false],
  ])('%s', async (_name, tells) => {
    write(`${ANSWER}; sleep 9; exit 3`, ONCE)
    const standing: StepContext['standing'] = new Map()
    await composeUp.act.run(context(standing, 'up', true), composeUp.schema().parse({ dir, project }), null)
    const last = context(standing, 'poll', false)
    const refused = new Failed({ code: 'denied', target: 'local', rule: 'events' })
    const exec: StepContext['exec'] = request =>
      request.argv[1] === 'events' && !tells ? Promise.reject(refused) : last.exec(request)
    const started = performance.now()
    const ended = healthPoll.act.run({ ...last, exec }, poll({ for: '40s' }), null)
    expect(await failureIn(ended)).toMatchObject({ code: 'not-stable' })
    expect(performance.now() - started).toBeLessThan(14_500)
  })

  test('waits a minute for a first answer', { timeout: 150_000 }, async () => {
    const health = checked('wget -q -O /dev/null http://127.0.0.1:PORT/', ', start_period: 100s')
    write(`sleep 60; ${ANSWER}; exec sleep 1000`, health.replaceAll('PORT', `${port}`))
    const standing: StepContext['standing'] = new Map()
    await composeUp.act.run(context(standing, 'up', true), composeUp.schema().parse({ dir, project }), null)
    const last = context(standing, 'poll', false)
    const started = performance.now()
    await healthPoll.act.run(last, poll({ timeout: '90s', interval: '3s', for: '2s' }), null)
    expect(performance.now() - started).toBeGreaterThan(50_000)
    expect(last.watchedSeconds()).toBeGreaterThan(50)
  })

  test('leaves no command behind', async () => {
    write(`${ANSWER}; exec sleep 1000`, LOOP)
    const standing: StepContext['standing'] = new Map()
    await composeUp.act.run(context(standing, 'up', true), composeUp.schema().parse({ dir, project }), null)
    const last = context(standing, 'poll', false)
    const listeners = () => spawnSync('pgrep', ['-f', `docker events .*${project}`]).status === 0
    const polling = healthPoll.act.run(last, poll({ for: '3s' }), null)
    const heard: boolean[] = []
    const timer = setInterval(() => heard.push(listeners()), 200)
    await polling
    clearInterval(timer)
    expect(heard).toContain(true)
    expect(listeners()).toBe(false)
  })

  test('a container that a step in between has restarted was meant to be', async () => {
    write(`${ANSWER}; exec sleep 1000`, LOOP)
    const standing: StepContext['standing'] = new Map()
    await composeUp.act.run(context(standing, 'up', true), composeUp.schema().parse({ dir, project }), null)
    execFileSync('docker', ['restart', '-t', '0', `${project}-app-1`], { stdio: 'ignore' })
    const again = healthPoll.act.run(context(standing, 'poll', false), poll({ for: '1s' }), null)
    for (const sign of standing.values()) sign.rebase()
    expect(await again).toMatchObject({ outputs: { healthy: true } })
  })
})
