/** Commands on this machine: each in a session of its own, ended with everything that descends from it. */

import type { ProcessIdentity } from '../process/identity.ts'
import { preparePipes } from '../process/pipe.ts'
import { forPlatform } from '../process/platform.ts'
import { type ProcessEnd, runProcess } from '../process/process.ts'
import { startFailureCode } from '../process/start.ts'
import { withVariables } from '../process/variables.ts'
import { overtakeProcess } from './adopt-orphan.ts'
import { collectOutput } from './collect-output.ts'
import { type Announcer, announcer, findAnnounced } from './find-by-start.ts'
import type { LocalJobs } from './local-job.ts'
import { unquotable } from './quote.ts'
import type { Command, ExecOptions, ExecResult, Transport } from './transport.ts'
import { windowsTools } from './windows-tools.ts'

const makeTools = forPlatform({ posix: null, windows: windowsTools })

export function localTransport(jobsFolder?: string): Transport {
  // Read once: a look at process.env is a system call for each variable.
  const base = ownEnvironment()
  const announce = announcer()
  let jobs: Promise<LocalJobs> | null = null
  // Beside what comes before the first command.
  const pipes = preparePipes()
  const openJobs = (folder: string): Promise<LocalJobs> => {
    jobs ??= import('./local-job.ts').then(({ openLocalJobs }) => openLocalJobs(folder, base))
    return jobs
  }
  return {
    name: 'local',
    ...(makeTools === null ? {} : { tools: makeTools(base) }),
    // Only durable commands start once; the others end with this process or are seen to end by it, never lost.
    startsOnce: false,
    exec: (command, options) =>
      run(command, options, base, announce, jobsFolder === undefined ? null : () => openJobs(jobsFolder)),
    prepareDurable() {
      // What is in the way is told by the command that needs it.
      if (jobsFolder !== undefined)
        void openJobs(jobsFolder).then(
          ({ prepare }) => prepare(),
          () => {},
        )
    },
    async overtake(command, options) {
      if (command.kind === 'process') return overtakeProcess(command, options)
      if (command.kind === 'announced') {
        const found = findAnnounced(command)
        return found === null ? 'ended' : overtakeProcess(found, options)
      }
      if (command.kind === 'job' && jobsFolder !== undefined)
        return (await openJobs(jobsFolder)).overtake(command.job, options)
      return 'unknown'
    },
    async close() {
      await pipes
      ;(await jobs)?.close()
    },
  }
}

type Environment = Readonly<Record<string, string>>

async function run(
  command: Command,
  options: ExecOptions,
  base: Environment,
  announce: Announcer,
  openJobs: (() => Promise<LocalJobs>) | null,
): Promise<ExecResult> {
  const problem = unquotable(command)
  if (problem !== null) return { kind: 'not-started', why: 'other', detail: problem }
  const output = collectOutput(options)
  if (options.signal?.aborted) return { kind: 'cancelled', ...output.kept(0) }
  if (options.durable) {
    if (openJobs) return (await openJobs()).run(command, options, output)
    return { kind: 'not-started', why: 'other', detail: 'a durable command needs a folder for its output' }
  }
  const announced = options.onStart && announce(command.argv)
  if (announced) options.onStart?.(announced)
  const ended = await runProcess(
    {
      argv: command.argv,
      env: command.env ? withVariables(base, command.env) : base,
      cwd: command.cwd,
      timeoutMs: options.timeoutMs,
      onStart: options.onStart && ((_, process) => tellStarted(process, options)),
    },
    { stdout: chunk => output.take('stdout', chunk), stderr: chunk => output.take('stderr', chunk) },
    options.signal,
  )
  if (ended.how === 'not-started') return notStarted(ended, command)
  // Only the caller's own onOutput can throw there.
  if (ended.how === 'output-failed') throw ended.error
  const kept = output.kept(ended.durationMs)
  if (ended.how === 'exited') return { kind: 'exited', code: ended.code, signal: ended.signal, ...kept }
  return { kind: ended.how, ...kept }
}

function tellStarted(process: ProcessIdentity | null, { onStart }: ExecOptions): void {
  if (process !== null) onStart?.({ kind: 'process', ...process })
}

function notStarted(
  { what, errno }: Extract<ProcessEnd, { how: 'not-started' }>,
  command: Command,
): ExecResult {
  switch (what) {
    case 'workdir':
      return { kind: 'not-started', why: 'bad-cwd', detail: `${command.cwd}: ${errno}` }
    case 'program': {
      const why = startFailureCode(errno) === 127 ? 'not-found' : 'not-executable'
      return { kind: 'not-started', why, detail: `${command.argv[0]}: ${errno}` }
    }
    case 'system': {
      if (errno === 'E2BIG') return { kind: 'not-started', why: 'too-large', detail: TOO_LARGE }
      const why = errno === 'EAGAIN' ? 'busy' : 'other'
      return { kind: 'not-started', why, detail: `this machine could not start a process: ${errno}` }
    }
  }
}

const TOO_LARGE = 'the arguments and variables are larger than this machine allows'

function ownEnvironment(): Environment {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) env[name] = value
  return env
}
