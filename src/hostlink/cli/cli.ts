/** `hostlink`, from arguments to an exit code. What is rare is loaded when it is asked for. */

import { resolveEndpoint } from '../link/endpoint.ts'
import { runExec, runPing } from './exec.ts'
import { type CliOutcome, clientExitCode } from './exit-code.ts'
import type { ClientIo } from './io.ts'
import { type CliSettings, type CommandLine, isProblem, parseCommandLine } from './options.ts'
import type { Session } from './session.ts'

export async function runClient(io: ClientIo): Promise<number> {
  const parsed = parseCommandLine(io.args)
  const codes = io.env['HOSTLINK_EXIT_CODES']
  if (isProblem(parsed)) {
    const { wordOption } = await import('./usage.ts')
    return clientExitCode(await misused(io, wordOption(parsed)), codes === 'passthrough')
  }
  if (codes === 'passthrough') parsed.settings.passthrough = true
  return clientExitCode(await dispatch(io, parsed), parsed.settings.passthrough)
}

async function dispatch(io: ClientIo, { settings, command, words }: CommandLine): Promise<CliOutcome> {
  if (settings.help || settings.version || command === 'help') return explain(io, settings)
  switch (command) {
    case 'exec':
      return exec(io, settings, words)
    case 'ping':
      return words.length > 0 ? tooMany(io, command) : connected(io, settings, runPing)
    case 'job': {
      const { runJob } = await import('./job.ts')
      return runJob(io, settings, words, connected)
    }
    case 'targets': {
      if (words.length > 0) return tooMany(io, command)
      const { runTargets } = await import('./targets.ts')
      return runTargets(io, settings)
    }
    default: {
      const { wordCommand } = await import('./usage.ts')
      return misused(io, wordCommand(command))
    }
  }
}

async function exec(io: ClientIo, settings: CliSettings, words: readonly string[]): Promise<CliOutcome> {
  if (words.length === 0 || (!settings.argv && words.join(' ') === ''))
    return misused(io, 'exec needs a command\nhint: hostlink exec "ls /srv"\n')
  const clash = settings.stream
    ? (['json', 'detach', 'outputToFile'] as const).find(name => settings[name])
    : settings.detach && settings.outputToFile
      ? 'outputToFile'
      : undefined
  if (clash !== undefined) {
    const names = { json: '--json', detach: '--detach', outputToFile: '--output-to-file' }
    return misused(
      io,
      `${settings.stream ? '--stream' : '--detach'} and ${names[clash]} cannot be used together\n`,
    )
  }
  if (!settings.argv && !settings.stream) return connected(io, settings, session => runExec(session, words))
  const { runLive } = await import('./live.ts')
  return connected(io, settings, session => runLive(session, words))
}

async function connected(
  io: ClientIo,
  settings: CliSettings,
  run: (session: Session) => Promise<CliOutcome>,
): Promise<CliOutcome> {
  const resolved = resolveEndpoint(settings, io.env, io.readFile)
  if (resolved.ok) return run({ io, settings, endpoint: resolved.endpoint })
  const { wordEndpoint } = await import('./usage.ts')
  return misused(io, wordEndpoint(resolved.problem))
}

async function explain(io: ClientIo, settings: CliSettings): Promise<CliOutcome> {
  const { help, version } = await import('./help.ts')
  await io.write('stdout', settings.version ? version() : help())
  return { kind: 'done' }
}

async function misused(io: ClientIo, text: string): Promise<CliOutcome> {
  await io.write('stderr', text)
  return { kind: 'usage' }
}

const tooMany = (io: ClientIo, command: string) => misused(io, `${command} takes no further words\n`)
