/** The examples for Compose stacks on a real engine, and the compose files beside them as compose itself reads them. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeStack, type Stack, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const at = (name: string) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))
const missing = withoutDocker('the examples for Compose stacks')

describe.skipIf(missing !== null)('the example', () => {
  let rig: HostopsRig
  let stack: Stack
  beforeEach(async () => {
    rig = hostopsRig()
    stack = await makeStack()
  })
  afterEach(async () => {
    stack.remove()
    await rig.remove()
  })
  const migrate = (ref: string, program: string) => {
    const inputs = { repo: stack.dir, ref, service: 'gateway', migrate: program, url: `${stack.url}/readyz` }
    const given = Object.entries(inputs).flatMap(([key, value]) => ['-i', `${key}=${value}`])
    return rig.run(['run', at('compose-migration.yaml'), ...given])
  }

  test('compose-migration: before the migration all is taken back, behind it nothing', async () => {
    const before = stack.running()
    const early = await migrate('v2', '/bin/false-there')
    expect(early.report).toMatchObject({ failedStep: 'migrate' })
    // Begun is begun: what a migration that failed has done is not known.
    expect(early.report).toMatchObject({ outcome: 'rollback-failed', success: false })
    expect(early.report.rollbackError).toContain('migrate cannot be taken back')
    expect(stack.running()).toEqual(before)
    const broken = await migrate('v3-broken', '/bin/true')
    expect(broken.report).toMatchObject({ outcome: 'rolled-back', failedStep: 'compose.build' })
    const late = await migrate('v5-crashloop', '/bin/true')
    expect(late.report).toMatchObject({ outcome: 'rollback-failed', failedStep: 'compose.up' })
    expect(late.code).toBe(5)
    expect(late.report.rollbackError).toContain('migrate cannot be taken back')
  })
})

describe.skipIf(missing !== null)('the stack of the example', () => {
  test.each(['minimal', 'database', 'openclaw-gateway'])('%s is what compose understands', name => {
    const config = (...args: string[]) =>
      execFileSync('docker', ['compose', 'config', ...args], { cwd: at(`stacks/${name}`), encoding: 'utf8' })
    expect(config('--services')).not.toBe('')
  })
})
