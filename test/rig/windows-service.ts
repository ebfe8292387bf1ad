/** A service of Windows in C:\w\svc, and a playbook that deploys a version of it: v2 is good, v3 never gets ready, v4 crashes. */
import { readFileSync } from 'node:fs'
import { freePort } from './service.ts'
import type { Windows } from './windows.ts'

export type WindowsService = Awaited<ReturnType<typeof makeWindowsService>>

const SERVICE = `import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
const version = readFileSync('deployed', 'utf8')
if (version === 'v4') process.exit(1)
createServer((request, response) => {
  if (request.url === '/readyz' && version === 'v3') response.statusCode = 503
  response.end(version)
}).listen(Number(process.env.PORT), '127.0.0.1')
`
const DEPLOY = `import { readFileSync, writeFileSync } from 'node:fs'
const [version, is] = process.argv.slice(2)
if (is === undefined) writeFileSync('deployed', version)
else process.exit(readFileSync('deployed', 'utf8') === version ? 0 : 1)
`
const restart = (port: number) => `import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
if (existsSync('pid')) try { process.kill(Number(readFileSync('pid', 'utf8'))) } catch {}
const child = spawn(process.execPath, ['service.mjs'], { env: { PORT: '${port}' }, detached: true, windowsHide: true, stdio: 'ignore' })
writeFileSync('pid', String(child.pid))
child.unref()
`
/** Tells that it and a child of its own run, and waits for a file. */
const WAIT = `import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
// Detached: the system itself would end another one with its parent.
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, windowsHide: true, stdio: 'ignore' })
writeFileSync('waits', process.pid + ' ' + child.pid)
const look = setInterval(() => {
  if (!existsSync('go')) return
  clearInterval(look)
  child.kill()
}, 50)
`
/** Exits with how many of these processes live. */
export const COUNT_LIVING = `process.exit(process.argv.slice(1).filter(pid => {
  try { process.kill(Number(pid), 0); return true } catch { return false }
}).length)`

const playbook = (port: number) => `hostops: 1
name: service
inputs:
  version: { type: string, oneOf: [v2, v3, v4], default: v2 }
  before: { type: string, oneOf: [v1, v2], default: v1 }
  wait: { type: boolean, default: false }
steps:
  - id: deploy
    cwd: C:\\w\\svc
    run: [node, deploy.mjs, "\${{ inputs.version }}"]
    undo: [node, deploy.mjs, "\${{ inputs.before }}"]
    verify: [node, deploy.mjs, "\${{ inputs.before }}", is]
  - id: wait
    when: inputs.wait
    cwd: C:\\w\\svc
    timeout: 10s
    run: [node, wait.mjs]
    changed: false
  - id: restart
    cwd: C:\\w\\svc
    run: [node, restart.mjs]
    reactivate: true
  - id: healthy
    uses: health.poll
    with: { urls: ["http://127.0.0.1:${port}/readyz"], timeout: 5s, for: 1s, interval: 200ms }
`

export async function makeWindowsService(windows: Windows) {
  const port = await freePort()
  const put = (name: string, text: string) => windows.write(`C:\\w\\svc\\${name}`, text)
  put('service.mjs', SERVICE)
  put('deploy.mjs', DEPLOY)
  put('restart.mjs', restart(port))
  put('wait.mjs', WAIT)
  put('deployed', 'v1')
  put('service.yaml', playbook(port))
  await windows.run(['C:\\node24\\node.exe', 'restart.mjs'], { cwd: 'C:\\w\\svc' })
  return {
    playbook: 'C:\\w\\svc\\service.yaml',
    deployed: () => readFileSync(windows.of('C:\\w\\svc\\deployed'), 'utf8'),
    says: async () => {
      try {
        return await (await fetch(`http://127.0.0.1:${port}/`)).text()
      } catch {
        return null
      }
    },
    put,
    /** The pids of the waiting step and its child; null: it does not wait yet. */
    waiting(): string[] | null {
      try {
        const pids = readFileSync(windows.of('C:\\w\\svc\\waits'), 'utf8').split(' ')
        return pids.length === 2 ? pids : null
      } catch {
        return null
      }
    },
  }
}
