/** A real HTTP service in a git repository: v1 and v2 are good, v3 never gets ready, v4 crashes. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

export const VERSIONS = { v1: 'good', v2: 'good', v3: 'never-ready', v4: 'crashes' } as const

export type Service = {
  checkout: string
  baseUrl: string
  /** Program that ends the old process and starts the one of the checkout. */
  restart: string
  /** What answers at the moment; null when nothing does. */
  says(): Promise<string | null>
  head(): string
  stop(): void
}

export async function makeService(folder: string): Promise<Service> {
  const upstream = join(folder, 'upstream')
  const checkout = join(folder, 'app')
  const pidFile = join(folder, 'service.pid')
  const port = await freePort()
  const git = (cwd: string, ...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.invalid', ...args], {
      cwd,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: folder, GIT_CONFIG_NOSYSTEM: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  mkdirSync(upstream)
  git(upstream, 'init', '-q', '-b', 'main')
  for (const [tag, behaviour] of Object.entries(VERSIONS)) {
    writeFileSync(join(upstream, 'service.mjs'), serviceText(tag, behaviour))
    git(upstream, 'add', '.')
    git(upstream, 'commit', '-q', '-m', tag)
    git(upstream, 'tag', tag)
  }
  git(folder, 'clone', '-q', upstream, checkout)
  git(checkout, 'checkout', '-q', '--detach', 'v1')
  const restart = writeRestart(folder, checkout, port, pidFile)
  execFileSync(restart)
  const baseUrl = `http://127.0.0.1:${port}`
  return {
    checkout,
    baseUrl,
    restart,
    says: async () => {
      try {
        return (await (await fetch(baseUrl)).text()).trim()
      } catch {
        return null
      }
    },
    head: () => git(checkout, 'describe', '--tags', 'HEAD'),
    stop: () => {
      try {
        process.kill(Number(readFileSync(pidFile, 'utf8')))
      } catch {
        // It has crashed, as it should.
      }
    },
  }
}

const serviceText = (tag: string, behaviour: string) => `import { createServer } from 'node:http'
${behaviour === 'crashes' ? 'process.exit(1)' : ''}
createServer((request, response) => {
  if (request.url === '/readyz' && ${behaviour === 'never-ready'}) response.statusCode = 503
  response.end('${tag}\\n')
}).listen(Number(process.env.PORT), '127.0.0.1')
`

function writeRestart(folder: string, checkout: string, port: number, pidFile: string): string {
  const program = join(folder, 'restart.mjs')
  writeFileSync(
    program,
    `import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
try { process.kill(Number(readFileSync('${pidFile}', 'utf8'))) } catch {}
const child = spawn(process.execPath, ['${checkout}/service.mjs'], { env: { PORT: '${port}' }, detached: true, stdio: 'ignore' })
writeFileSync('${pidFile}', String(child.pid))
child.unref()
`,
  )
  const restart = join(folder, 'restart')
  writeFileSync(restart, `#!/bin/sh\nexec '${process.execPath}' '${program}'\n`, { mode: 0o755 })
  return restart
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
