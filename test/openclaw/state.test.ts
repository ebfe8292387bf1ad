/**
 * The state of a real OpenClaw gateway, as plain processes: 2026.4.20 writes it, 2026.9.6 migrates it, and a rollback brings
 * 2026.4.20 back on the state that it had.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { gitIn } from '../rig/crash-service.ts'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'
import { removeLockOf } from '../rig/lock-file.ts'
import { CACHE, NODE, RELEASES, whyNotInstalled } from '../rig/openclaw-gateway.ts'
import { killAllOf } from '../rig/processes.ts'
import { freePort } from '../rig/service.ts'

const { old: OLD, new: NEW } = RELEASES
const gone = [OLD, NEW].some(release => whyNotInstalled(release) !== null)
const packageOf = (release: string) => join(CACHE, release, 'node_modules/openclaw')

/** Each start of a gateway on a busy machine. */
const START = '240s'
const LIMIT_MS = 1_200_000

describe.skipIf(gone)('the state of a gateway', { timeout: LIMIT_MS }, () => {
  let rig: HostopsRig
  let checkout: string
  let state: string
  let gateway: string
  let url: string
  beforeEach(async () => {
    rig = hostopsRig()
    checkout = rig.path('openclaw')
    state = rig.path('home/.openclaw')
    const port = await freePort()
    url = `http://127.0.0.1:${port}/readyz`
    mkdirSync(checkout)
    mkdirSync(state, { recursive: true, mode: 0o700 })
    const git = gitIn(checkout, rig.folder)
    git('init', '-q', '-b', 'main')
    // What a checkout of OpenClaw has that counts here.
    for (const release of [OLD, NEW]) {
      writeFileSync(join(checkout, 'package.json'), readFileSync(join(packageOf(release), 'package.json')))
      git('add', '.')
      git('commit', '-qm', release)
      git('tag', `v${release}`)
    }
    git('checkout', '-q', '--detach', `v${OLD}`)
    const config = {
      gateway: { mode: 'local', bind: 'loopback', port, auth: { mode: 'token', token: 'TEST-TOKEN' } },
      browser: { enabled: false },
      discovery: { mdns: { mode: 'off' } },
      plugins: { enabled: false },
    }
    writeFileSync(join(state, 'openclaw.json'), JSON.stringify(config))
    gateway = writeService(rig, { checkout, state, port })
  })
  afterEach(async () => {
    await killAllOf(rig.folder)
    removeLockOf(checkout)
    await rig.remove()
  }, LIMIT_MS)

  const upgrade = (snapshot: object[]) => {
    const steps = [
      {
        uses: 'git.checkout',
        with: {
          repo: checkout,
          ref: `v${NEW}`,
          migrates: { file: 'package.json', json: '$.openclaw.schemaVersions' },
        },
      },
      { id: 'stop', run: [gateway, 'stop'], effect: 'disrupt', reactivate: [gateway, 'start'] },
      ...snapshot,
      {
        id: 'start',
        run: [gateway, 'start'],
        effect: 'disrupt',
        undo: [gateway, 'stop'],
        verify: ['grep', '-qx', OLD, rig.path('release')],
      },
      { uses: 'health.poll', with: { urls: [url], timeout: START, for: '3s' } },
      { id: 'fails', run: ['false'], effect: 'read' },
    ]
    return rig.playbook('upgrade', steps, { timeout: '15m' })
  }
  const run = (...args: string[]) => rig.run([...args])
  /** Without a line that it repeats a hundred times. */
  const logOf = () => rig.read('gateway.log').replace(/.*tslog: minLevel.*\n/g, '')
  const start = async () => {
    execFileSync(gateway, ['start'])
    const ready = { uses: 'health.poll', with: { urls: [url], timeout: START, for: '3s' } }
    const { report, stderr } = await run('run', rig.playbook('ready', [ready]))
    expect(report.success, `${stderr}\n${logOf()}`).toBe(true)
  }
  /** Its key pair is what other devices have approved. */
  const deviceIn = (folder: string) => {
    const file = join(folder, 'identity/device.json')
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).deviceId : null
  }
  const releaseThatRuns = () => rig.read('release').trim()

  test('goes back with the version', async () => {
    await start()
    const device = deviceIn(state)
    const playbook = upgrade([{ uses: 'files.snapshot', with: { path: state } }])
    const checked = await run('run', playbook, '--check')
    expect(checked.stderr).toMatch(/schemaVersions none -> \{.*\}: the new version migrates its state/)
    const { report, stderr } = await run('run', playbook)
    expect(report, `${stderr}\n${logOf()}`).toMatchObject({
      outcome: 'rolled-back',
      failedStep: 'fails',
      rollbackVerified: true,
      readyz: true,
      healthAfterRollback: { readyz: true },
      stateSetAside: [{ path: state }],
    })
    const newer = report.stateSetAside![0]!.keptAs
    expect(releaseThatRuns()).toBe(OLD)
    expect(deviceIn(state)).toBe(device)
    // What only the newer release has.
    expect(existsSync(join(newer, 'state'))).toBe(true)
    expect(existsSync(join(state, 'state'))).toBe(false)
  })

  test('without a copy, the old version runs on what the newer one has left of it', async () => {
    await start()
    const device = deviceIn(state)
    const { report, stderr } = await run('run', upgrade([]))
    expect(report, `${stderr}\n${logOf()}`).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    expect(releaseThatRuns()).toBe(OLD)
    expect(existsSync(join(state, 'state'))).toBe(true)
    expect(deviceIn(state)).not.toBe(device)
  })

  test('a release that knows of newer ones refuses their state', async () => {
    execFileSync('git', ['checkout', '-q', `v${NEW}`], { cwd: checkout })
    const file = join(state, 'openclaw.json')
    const meta = { lastTouchedVersion: '2027.1.1', lastTouchedAt: '2027-01-01T00:00:00.000Z' }
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), meta }))
    execFileSync(gateway, ['start'])
    await poll(() => logOf().includes(`(${NEW}) is older than the config last written by OpenClaw 2027.1.1`))
  })
})

/** The release of the checkout, as a process of its own; what it says goes to gateway.log. */
function writeService(rig: HostopsRig, at: { checkout: string; state: string; port: number }): string {
  const file = rig.write(
    'gateway',
    `#!/bin/sh
cd '${rig.folder}'
alive() { [ -f pid ] && kill -0 "$(cat pid)" 2>/dev/null && ! grep -q ' Z ' "/proc/$(cat pid)/stat"; }
if [ "$1" = stop ]; then
  alive || exit 0
  kill "$(cat pid)"; n=0
  while alive; do sleep 0.1; n=$((n + 1)); [ $n -lt 100 ] || kill -9 "$(cat pid)"; done
  exit 0
fi
alive && exit 0
release=$(sed -n 's/^  "version": "\\(.*\\)",$/\\1/p' '${at.checkout}/package.json')
echo "$release" >release
export HOME='${rig.path('home')}' OPENCLAW_STATE_DIR='${at.state}' OPENCLAW_CONFIG_PATH='${at.state}/openclaw.json'
export TMPDIR='${rig.path('home')}' OPENCLAW_GATEWAY_TOKEN=TEST-TOKEN OPENCLAW_NO_RESPAWN=1
setsid '${NODE}' '${CACHE}'/"$release"/node_modules/openclaw/openclaw.mjs gateway run --port ${at.port} </dev/null >>gateway.log 2>&1 &
echo $! >pid
`,
  )
  chmodSync(file, 0o755)
  return file
}
