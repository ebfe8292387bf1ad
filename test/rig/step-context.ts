/** A StepContext over real processes of this machine. */
import { spawn } from 'node:child_process'
import { Failed } from '../../src/failure.ts'
import type { Done, ExecRequest, StepContext } from '../../src/steps/step.ts'

export type Rig = StepContext & { said: string[]; ran: ExecRequest[] }

export function stepContext(options: { env?: NodeJS.ProcessEnv; timeoutMs?: number } = {}): Rig {
  const started = Date.now()
  const timeoutMs = options.timeoutMs ?? 60_000
  const said: string[] = []
  const ran: ExecRequest[] = []
  return {
    runId: '20261120T180900Z-7f3a9c',
    stepId: 'step',
    platform: 'posix',
    signal: new AbortController().signal,
    said,
    ran,
    confirmed: null,
    remainingMs: () => timeoutMs - (Date.now() - started),
    now: () => Date.now(),
    sleep: ms => new Promise(resolve => setTimeout(resolve, ms)),
    exec(request) {
      ran.push(request)
      return execute(request, options.env ?? process.env)
    },
    say: line => void said.push(line),
  }
}

function execute(request: ExecRequest, base: NodeJS.ProcessEnv): Promise<Done> {
  return new Promise((resolve, reject) => {
    const [program = '', ...args] = request.argv
    const begun = Date.now()
    const child = spawn(program, args, {
      cwd: request.cwd,
      env: { ...base, ...request.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const kept = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
    let truncated = false
    const limit = request.keepBytes ?? 1024 * 1024
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].on('data', (chunk: Buffer) => {
        truncated ||= kept[name].length + chunk.length > limit
        kept[name] = Buffer.concat([kept[name], chunk]).subarray(0, limit)
      })
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'not-found' : 'other'
      reject(new Failed({ code: 'command-not-started', argv: [...request.argv], why, detail: error.message }))
    })
    child.on('close', (code, signal) =>
      resolve({
        code: code ?? 128,
        signal,
        stdout: kept.stdout.toString(),
        stderr: kept.stderr.toString(),
        truncated,
        durationMs: Date.now() - begun,
      }),
    )
  })
}
