/** A client in a container that the run replaces, on a real engine, through a mounted socket. */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { dockerAnswers } from '../rig/docker.ts'
import { type HostRig, hostRig } from '../rig/host.ts'
import { HOSTOPS, type HostopsRig, hostopsRig, poll, reportOf } from '../rig/hostops.ts'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const PROJECT = `hostops-self-${process.pid}`
const EXAMPLES = at('../../examples')

describe.skipIf(!dockerAnswers())('a client in the container that is replaced', { timeout: 180_000 }, () => {
  let rig: HostopsRig
  let host: HostRig
  let stack: string
  const docker = (...args: string[]) =>
    execFileSync('docker', args, { encoding: 'utf8', stdio: 'pipe' }).trim()
  const compose = (...args: string[]) =>
    docker('compose', '--project-directory', stack, '-p', PROJECT, ...args)
  const container = () => compose('ps', '-q', 'agent')
  const version = () => docker('exec', container(), 'cat', '/app/VERSION')

  beforeEach(async () => {
    execFileSync('bash', [at('node-image.sh')], { stdio: 'pipe' })
    rig = hostopsRig()
    host = await hostRig(rig)
    stack = rig.path('stack')
    mkdirSync(stack)
    writeFileSync(join(stack, 'VERSION'), 'v1\n')
    writeFileSync(
      join(stack, 'Dockerfile'),
      `FROM hostops-node:1\nLABEL hostops-test=${PROJECT}\nCOPY VERSION /app/VERSION\nCMD ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]\n`,
    )
    writeFileSync(
      join(stack, 'compose.yaml'),
      JSON.stringify({
        name: PROJECT,
        services: {
          agent: {
            build: '.',
            restart: 'unless-stopped',
            stop_grace_period: '2s',
            environment: { HOSTLINK_SOCKET: '/host/s', HOSTLINK_TOKEN: host.env.HOSTLINK_TOKEN },
            volumes: [`${dirname(HOSTOPS)}:/hostops:ro`, `${EXAMPLES}:/examples:ro`, `${host.folder}:/host`],
            network_mode: 'none',
          },
        },
      }),
    )
    compose('build', '-q')
    compose('up', '-d')
  })
  afterEach(async () => {
    await host?.stop()
    try {
      compose('down', '-t', '1')
      const held = docker('ps', '-aq', '--filter', `label=hostops.project=${PROJECT}`).split('\n')
      for (const id of held.filter(Boolean)) docker('rm', '-f', '-v', id)
      const images = docker('images', '-a', '-q', '--filter', `label=hostops-test=${PROJECT}`)
      if (images !== '') docker('rmi', '-f', ...new Set(images.split('\n')))
    } finally {
      await rig?.remove()
    }
  })

  /** The real client, inside the service's container. */
  const inside = (...args: string[]) => {
    const words = ['exec', '-e', 'HOSTOPS_STATE_DIR=/host/st', container(), 'node']
    const child = spawn('docker', [...words, `/hostops/${basename(HOSTOPS)}`, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', text => {
      stdout += text
    })
    child.stderr.on('data', text => {
      stderr += text
    })
    return new Promise<{ code: number | null; stdout: string; stderr: string }>(resolve =>
      child.once('close', code => resolve({ code, stdout, stderr })),
    )
  }
  const upgrade = (...more: string[]) =>
    inside(
      'run',
      '/examples/self-upgrade.yaml',
      '-i',
      `dir=${stack}`,
      '-i',
      'service=agent',
      '--target',
      'hostlink',
      ...more,
    )

  test('is refused to do it itself, and told the command; on the host it is killed by it, and its successor confirms and gets the same line', async () => {
    const before = container()
    // `confirm` would refuse as well, and later: this is about the container.
    const own = rig.write(
      'host/own.yaml',
      JSON.stringify({ hostops: 1, name: 'own', steps: [{ uses: 'compose.up', with: { dir: stack } }] }),
    )
    const refused = await inside('run', `/host/${own.split('/').at(-1)}`, '--target', 'hostlink')
    expect(reportOf(refused.stdout)).toMatchObject({
      outcome: 'refused',
      errorCode: 'self-upgrade',
      changed: false,
    })
    expect(refused.code).toBe(3)
    expect(refused.stderr).toMatch(
      /hint:? +hostops run \/host\/own\.yaml --target hostlink --on-host --detach\n/,
    )
    expect(container()).toBe(before)

    const step = { id: 'go', run: ['/bin/../deploy'] }
    rig.write('host/own.yaml', JSON.stringify({ hostops: 1, name: 'own', steps: [step] }))
    const dry = await inside('run', '/host/own.yaml', '--target', 'hostlink', '--dry-run')
    expect(dry.stderr).toContain('may end the container that this runner lives in (told by --check)')
    expect(container()).toBe(before)

    writeFileSync(join(stack, 'VERSION'), 'v2\n')
    const killed = await upgrade('--on-host', '--run-id', 'self')
    expect([killed.code, killed.stdout]).not.toEqual([0, expect.anything()])
    await poll(() => host.journal('self').includes('confirm-awaited'))
    expect(container()).not.toBe(before)
    expect(version()).toBe('v2')

    const confirmed = await inside('confirm', 'self', '--target', 'hostlink')
    expect([confirmed.code, confirmed.stderr]).toEqual([0, expect.stringContaining('is confirmed')])
    const line = await inside('wait', 'self', '--target', 'hostlink')
    expect(reportOf(line.stdout)).toMatchObject({ runId: 'self', outcome: 'succeeded', success: true })
    expect(line.code).toBe(0)
    const [job] = host.jobs()
    expect(line.stdout).toBe(readFileSync(join(host.folder, 'output', 'jobs', job!, 'stdout'), 'utf8'))
    expect((await inside('report', 'self', '--target', 'hostlink')).stdout).toBe(line.stdout)
  })

  test('runs no command there whose author does not say that it ends nothing', async () => {
    const asked = (more: object) => {
      const steps = [{ id: 'go', run: ['true'], ...more }]
      return inside('run', join('/host', basename(writePlaybook(steps))), '--target', 'hostlink')
    }
    const writePlaybook = (steps: object[]) => {
      const file = rig.playbook('touches', steps)
      writeFileSync(join(host.folder, basename(file)), readFileSync(file))
      return file
    }
    const told = await asked({ undo: ['true'] })
    expect(reportOf(told.stdout)).toMatchObject({
      outcome: 'refused',
      errorCode: 'self-upgrade',
      changed: false,
    })
    expect(told.stderr).toContain('go may end the container that this runner lives in')
    expect(told.stderr).toContain('set endsRunner: never in it')
    expect(reportOf((await asked({ effect: 'read' })).stdout)).toMatchObject({
      outcome: 'succeeded',
      changed: false,
    })
    expect(reportOf((await asked({ undo: ['true'], endsRunner: 'never' })).stdout)).toMatchObject({
      outcome: 'succeeded',
    })
  })

  test('does not finish there what somebody else began and would end it; what does not, it takes back', async () => {
    const before = container()
    const steps = [
      { id: 'long', script: 'echo on; sleep 600', undo: ['true'], endsRunner: 'never' },
      { uses: 'compose.up', with: { dir: stack } },
    ]
    const env = { ...host.env, HOSTOPS_STATE_DIR: join(host.folder, 'st') }
    const args = ['run', rig.playbook('own', steps), '--target', 'hostlink', '--run-id', 'r']
    const begun = rig.start(args, { env })
    await begun.until(/long \| on/)
    begun.child.kill('SIGKILL')
    await begun.ended
    const told = await inside('resume', 'r', '--runner-gone', '--assume', 'done')
    expect(reportOf(told.stdout)).toMatchObject({ outcome: 'refused', errorCode: 'self-upgrade' })
    expect(told.stderr).toContain('hint: from outside of it: HOSTOPS_STATE_DIR=/host/st hostops resume r\n')
    expect(reportOf((await inside('report', 'r')).stdout)).toMatchObject({ outcome: 'unknown' })
    // It was not begun, so that taking back ends nothing.
    const back = await inside('rollback', 'r', '--runner-gone')
    expect(reportOf(back.stdout)).toMatchObject({ outcome: 'rolled-back', rollbackVerified: null })
    expect(container()).toBe(before)
  })

  test('that nobody confirms goes back to the old image', async () => {
    writeFileSync(join(stack, 'VERSION'), 'v2\n')
    await upgrade('--detach', '--run-id', 'self', '-i', 'confirmWithin=1s')
    const line = await rig.run(['wait', 'self', '--target', 'hostlink'], { env: host.env })
    expect(line.report).toMatchObject({
      outcome: 'rolled-back',
      failedStep: 'confirm',
      rollbackVerified: true,
    })
    expect(version()).toBe('v1')
  })
})
