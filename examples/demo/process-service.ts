/** A service that is one process, started by a program that does what an init system would do. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execaSync } from 'execa'
import type { Service } from './service.ts'

export function processService(folder: string, port: number, examples: string): Service {
  const pidFile = join(folder, 'service.pid')
  const restart = join(folder, 'restart')
  const baseUrl = `http://127.0.0.1:${port}`
  const playbook = join(examples, 'upgrade-process.yaml')
  return {
    what: 'a single process',
    playbook,
    runs: playbook,
    files: ({ tag, ready }) => ({ 'service.mjs': serviceText(tag, ready) }),
    start(checkout) {
      writeRestart(folder, restart, checkout, port, pidFile)
      execaSync(restart)
    },
    inputs: (checkout, ref) => ({ repoPath: checkout, ref, restart, baseUrl, healthTimeout: '4s' }),
    remove() {
      try {
        process.kill(Number(readFileSync(pidFile, 'utf8')))
      } catch {
        // Not started, or ended.
      }
    },
  }
}

const serviceText = (version: string, ready: boolean) => `import { createServer } from 'node:http'
const ready = ${ready}
createServer((request, response) => {
  if (request.url === '/readyz' && !ready) response.statusCode = 503
  response.end('this is ${version}\\n')
}).listen(Number(process.env.PORT), '127.0.0.1')
`

function writeRestart(
  folder: string,
  restart: string,
  checkout: string,
  port: number,
  pidFile: string,
): void {
  const program = join(folder, 'restart.mjs')
  const text = (value: string) => JSON.stringify(value)
  writeFileSync(
    program,
    `import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
try { process.kill(Number(readFileSync(${text(pidFile)}, 'utf8'))) } catch {}
const env = { ...process.env, PORT: '${port}' }
const options = { env, detached: true, stdio: 'ignore' }
const child = spawn(process.execPath, [${text(join(checkout, 'service.mjs'))}], options)
writeFileSync(${text(pidFile)}, String(child.pid))
child.unref()
`,
  )
  writeFileSync(restart, `#!/bin/sh\nexec '${process.execPath}' '${program}'\n`, { mode: 0o755 })
}
