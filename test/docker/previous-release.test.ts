/**
 * A run that the release before this work began, and whose runner was killed between build and `up`. previous-release.txt
 * holds the files that it had left by then, as it wrote them, with {{NAMES}} for what differs from stack to stack.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { placeHere } from '../../src/runs/runner-identity.ts'
import { makeStack, type Stack, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const FILES = fileURLToPath(new URL('previous-release.txt', import.meta.url))
const missing = withoutDocker('a run of the release before')
const RUN = 'before'

describe.skipIf(missing !== null)('a run that the release before began', () => {
  let rig: HostopsRig
  let stack: Stack
  let before: { running: ReturnType<Stack['running']>; containers: string[] }
  beforeEach(async () => {
    rig = hostopsRig()
    stack = await makeStack()
    before = { running: stack.running(), containers: stack.containers() }
    leaveBehind()
    rig.write('go', '')
  })
  afterEach(async () => {
    stack?.remove()
    await rig.remove()
  })
  const idOf = (name: string) => stack.docker('image', 'inspect', '--format', '{{.Id}}', name)
  const pin = () => `hostops/rollback/${stack.project}-gateway:${RUN}`

  /** What that release had done by then: the checkout is the new one, its image is built, and the old one is kept. */
  function leaveBehind(): void {
    const v1 = idOf(stack.image)
    const refs = ['heads', 'tags'].map(each => `+refs/${each}/*:refs/hostops/origin/${each}/*`)
    stack.git('fetch', '-q', '--no-tags', '--refmap=', 'origin', ...refs)
    stack.docker('tag', v1, pin())
    stack.git('-c', 'advice.detachedHead=false', 'checkout', '-q', '--detach', 'v2')
    stack.compose('build')
    const { machine = '', pids = '' } = placeHere()
    const kept = rig.path('.local/state/hostops/rollback/gateway-12345678', RUN, '12345678')
    const values = {
      ...{ RIG: rig.folder, KEPT: kept, STACK: stack.folder, PROJECT: stack.project, PORT: `${stack.port}` },
      ...{ V1: v1, V2: idOf(stack.image), CONTAINER: stack.containers()[0]! },
      ...{ SHA1: stack.git('rev-parse', 'v1^{}'), SHA2: stack.git('rev-parse', 'v2^{}') },
      ...{ MACHINE: machine, PIDS: pids },
    }
    const files = partsOf(filled(readFileSync(FILES, 'utf8'), values))
    // It would not go on with a plan or playbook that is not the one it began with.
    const plan = filled(files.get('run/plan.json')!, {
      PLAYBOOK_DIGEST: sha256(files.get('run/playbook.yaml')!),
    })
    files.set('run/plan.json', plan)
    files.set('run/run.json', filled(files.get('run/run.json')!, { PLAN_HASH: sha256(plan).slice(0, 20) }))
    for (const [name, text] of files) {
      const path = name.replace(/^run/, join(rig.state, 'runs', RUN)).replace(/^kept/, kept)
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      writeFileSync(path, text, { mode: 0o600 })
    }
  }

  test('resumes: what is left is done, and can then be taken back', async () => {
    const { report, code, stderr } = await rig.run(['resume', RUN])
    expect(report, stderr).toMatchObject({
      ...{ runId: RUN, outcome: 'succeeded', success: true, readyz: true, composeRebuilt: true },
      ...{ beforeSha: stack.git('rev-parse', 'v1^{}'), afterSha: stack.git('rev-parse', 'v2^{}') },
      steps: [
        ...['git.dirty-check', 'git.fetch', 'git.checkout', 'compose.build'].map(id => ({ id, attempts: 1 })),
        ...['gate', 'compose.up', 'health.poll'].map(id => ({ id, status: 'succeeded' })),
      ],
    })
    expect(report.services).toMatchObject([{ name: 'gateway', imageBefore: before.running[0]!.image }])
    expect(code).toBe(0)
    expect(stack.running()).toMatchObject([{ version: 'v2', status: 'running' }])
    expect(stack.head()).toBe('v2')

    const back = await rig.run(['rollback', RUN])
    expect(back.report, back.stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    expect(back.code).toBe(1)
    expect(stack.running()).toEqual(before.running)
    expect(stack.head()).toBe('v1')
    await stack.answers()
  })

  test('is rolled back from where it was left: no container was touched', async () => {
    expect((await rig.run(['report', RUN])).report).toMatchObject({
      outcome: 'unknown',
      errorCode: 'runner-gone',
    })
    const { report, code, stderr } = await rig.run(['rollback', RUN])
    expect(report, stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true, changed: false })
    expect(code).toBe(1)
    expect(stack.containers()).toEqual(before.containers)
    expect(idOf(stack.image)).toBe(before.running[0]!.image)
    expect(stack.head()).toBe('v1')
    expect(stack.clean()).toBe(true)
  })
})

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

const filled = (text: string, values: Readonly<Record<string, string>>) =>
  Object.entries(values).reduce((filled, [name, value]) => filled.replaceAll(`{{${name}}}`, value), text)

const partsOf = (text: string) =>
  new Map(
    text
      .split(/^=== /m)
      .slice(1)
      .map(part => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)] as const),
  )
