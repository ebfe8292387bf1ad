/**
 * A run that the release before this work began, and whose runner was killed between build and `up`. previous-release.txt
 * holds the files that it had left by then, as it wrote them, with {{NAMES}} for what differs from stack to stack.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeStack, type Stack, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { leftBehind, putFiles } from '../rig/left-behind.ts'

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
    const kept = rig.path('.local/state/hostops/rollback/gateway-12345678', RUN, '12345678')
    const values = {
      ...{ RIG: rig.folder, KEPT: kept, STACK: stack.folder, PROJECT: stack.project, PORT: `${stack.port}` },
      ...{ V1: v1, V2: idOf(stack.image), CONTAINER: stack.containers()[0]! },
      ...{ SHA1: stack.git('rev-parse', 'v1^{}'), SHA2: stack.git('rev-parse', 'v2^{}') },
    }
    const run = join(rig.state, 'runs', RUN)
    const files = [...leftBehind(FILES, values)]
    putFiles(
      '/',
      new Map(files.map(([name, text]) => [name.replace(/^run/, run).replace(/^kept/, kept), text])),
    )
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
