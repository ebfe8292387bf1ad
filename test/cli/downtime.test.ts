/** The downtime that a report names is what somebody outside has met, who asks 20 times a second. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readEvents } from '../../src/runs/read-journal.ts'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'

const POLLER = fileURLToPath(new URL('../rig/outside-poller.mjs', import.meta.url))
const SERVICE = `
import { createServer } from 'node:http'
import { writeFileSync } from 'node:fs'
createServer((_, response) => response.end('ok')).listen(Number(process.argv[2]), '127.0.0.1')
writeFileSync(process.argv[3], String(process.pid))
`

let rig: HostopsRig
let port: number
beforeAll(async () => {
  rig = hostopsRig()
  rig.write('service.mjs', SERVICE)
  port = await freePort()
})
afterAll(async () => {
  await stop()
  await rig.remove()
})

const stop = async () => {
  try {
    process.kill(Number(rig.read('pid')))
  } catch {
    // It is not there.
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

type Met = { seconds: number; noise: number }

/** Until it is ended: for how many seconds nobody answered it, and by how much the machine made everybody late. */
function outside(url: string): { asking: Promise<void>; end: () => Promise<Met> } {
  const child: ChildProcess = spawn(process.execPath, [POLLER, url], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout!.setEncoding('utf8').on('data', text => {
    said += text
  })
  return {
    asking: poll(() => said.includes('asking')),
    async end() {
      child.kill('SIGTERM')
      await new Promise(resolve => child.once('close', resolve))
      const [seconds, noise] = said.trim().split('\n').at(-1)!.split(' ').map(Number)
      return { seconds: seconds!, noise: noise! }
    },
  }
}

const isUp = () =>
  fetch(`http://127.0.0.1:${port}`).then(
    () => true,
    () => false,
  )

test.for([0.4, 1.7])('of a process that is away for %f s', async seconds => {
  const url = `http://127.0.0.1:${port}/healthz`
  const start = `setsid '${process.execPath}' service.mjs ${port} pid >/dev/null 2>&1 &`
  if (!(await isUp())) spawn('sh', ['-c', start], { cwd: rig.folder, stdio: 'ignore' })
  await poll(isUp)
  const restart = `kill "$(cat pid)"; sleep ${seconds}; ${start}`
  const file = rig.playbook('away', [
    { id: 'wait', run: ['sleep', '0.7'], changed: false },
    { id: 'restart', script: restart, cwd: rig.folder, effect: 'disrupt', reactivate: true },
    { uses: 'health.poll', with: { urls: [url], interval: '100ms', timeout: '20s' } },
  ])
  const watching = outside(url)
  await watching.asking
  const { report } = await rig.run(['run', file])
  const met = await watching.end()
  expect(report.outcome).toBe('succeeded')
  expect(met.seconds).toBeGreaterThan(seconds / 2)
  // On a busy machine each of the two is late at the beginning and at the end of the gap.
  const told = `${report.downtimeSeconds} and ${met.seconds}, with a noise of ${met.noise}`
  expect(Math.abs(report.downtimeSeconds! - met.seconds), told).toBeLessThan(0.5 + 2 * met.noise)
  const gaps = report.downtime!.map(({ from, to }) => Date.parse(to!) - Date.parse(from))
  expect(gaps.reduce((sum, ms) => sum + ms, 0) / 1000).toBeCloseTo(report.downtimeSeconds!, 0)
  for (const { from } of report.downtime!)
    expect(Date.parse(from)).toBeGreaterThan(Date.parse(report.startedAt))
  const events = readEvents(rig.path('state/runs', report.runId))
  expect(events.filter(event => event.type === 'probe')).toEqual(
    [200, null, 200].map(status => ({ type: 'probe', id: 'health.poll', url, ok: status !== null, status })),
  )
})
