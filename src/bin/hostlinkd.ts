#!/usr/bin/env node
/** hostlinkd: flags, subcommands, signals. The only place of the daemon that ends the process, and the one that gives it the run service. */
import { realpathSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { VERSION } from '../build/version.ts'
import { nearest } from '../document/nearest.ts'
import type { BinIo } from '../hostlink/daemon/config/bin-io.ts'
import { readFlags } from '../hostlink/daemon/config/flags.ts'

const USAGE = `usage: hostlinkd [-c FILE] [-p PIDFILE] [-f] [-v]
       hostlinkd init [--help]     write a config with a fresh token
       hostlinkd check [--help]    say what is wrong with a config

  -c, --config FILE     configuration (default /etc/hostlink/hostlink.conf)
  -p, --pid-file FILE   write the process id there while running
  -f, --foreground      do not detach from the terminal
  -v, --verbose         log everything, whatever log_level says
  -h, --help            this text
  -V, --version         the version

signals: SIGHUP reads the configuration again, SIGTERM stops in good order
`
const DEFAULT_CONFIG = '/etc/hostlink/hostlink.conf'
const FLAGS = {
  config: { type: 'string', short: 'c' },
  'pid-file': { type: 'string', short: 'p' },
  foreground: { type: 'boolean', short: 'f' },
  verbose: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
} as const

process.exitCode = await main(process.argv.slice(2))

async function main(args: string[]): Promise<number> {
  const [subcommand, ...rest] = args
  if (subcommand === 'init') return (await import('../hostlink/daemon/config/init.ts')).runInit(rest, io())
  if (subcommand === 'check') {
    const [{ runCheck }, { runService }] = await Promise.all([
      import('../hostlink/daemon/check.ts'),
      import('../host/service.ts'),
    ])
    return runCheck(rest, io(), runService)
  }
  if (subcommand !== undefined && !subcommand.startsWith('-')) return complain(wordUnknown(subcommand), 2)
  const read = readFlags(args, FLAGS)
  if ('reason' in read) return complain(`${read.reason}\nhint: ${read.hint ?? 'hostlinkd --help'}`, 2)
  const flags = read.values
  if (flags.help) return print(USAGE)
  if (flags.version) return print(`hostlinkd ${VERSION}\n`)
  const options = {
    configFile: flags.config ?? DEFAULT_CONFIG,
    pidFile: flags['pid-file'] ?? null,
    isVerbose: flags.verbose ?? false,
    env: process.env,
  }
  if (!flags.foreground) {
    const { detach } = await import('../hostlink/daemon/detach.ts')
    const problem = await detach(options)
    return problem === null ? 0 : complain(problem, 1)
  }
  return serve(options)
}

async function serve(options: import('../hostlink/daemon/main.ts').DaemonOptions): Promise<number> {
  // Commands are forked off this process: the less garbage it lets pile up, the faster that is, and the less it weighs.
  setFlagsFromString('--semi-space-growth-factor=1')
  // Heard from the first moment on: a signal during the start must not end the daemon half-way.
  let isReloadDue = false
  let reload = () => {
    isReloadDue = true
  }
  process.on('SIGHUP', () => reload())
  const signal = new Promise<string>(resolve => {
    // For good: without a listener the next one would end the daemon in the middle of its stopping.
    process.on('SIGTERM', () => resolve('SIGTERM'))
    process.on('SIGINT', () => resolve('SIGINT'))
  })
  const [{ startDaemon }, { runService }, { tellSystemd }] = await Promise.all([
    import('../hostlink/daemon/main.ts'),
    import('../host/service.ts'),
    import('../hostlink/daemon/config/systemd.ts'),
  ])
  const daemon = await startDaemon(options, runService)
  if ('failed' in daemon) {
    process.send?.({ failed: daemon.failed })
    return complain(daemon.failed, 1)
  }
  process.on('uncaughtException', error => daemon.log.error(`unexpected: ${error.stack ?? error.message}`))
  process.on('unhandledRejection', reason => daemon.log.error(`unexpected: ${String(reason)}`))
  reload = () => void daemon.reload()
  if (isReloadDue) reload()
  if (process.send) {
    process.send({ ready: true })
    process.disconnect()
  }
  tellSystemd(process.env, daemon.log)
  await daemon.stop(await signal)
  // Whatever still keeps the event loop alive has had its time.
  process.exit(0)
}

function wordUnknown(subcommand: string): string {
  const near = nearest(subcommand, ['init', 'check'])
  const hint = near
    ? `did you mean hostlinkd ${near}?`
    : 'to start it, no subcommand is needed: hostlinkd --help'
  return `unknown subcommand "${subcommand}"\nhint: ${hint}`
}

function io(): BinIo {
  // `hostlinkd check | head` is no mistake.
  process.stdout.on('error', () => {})
  return {
    out: text => void process.stdout.write(text),
    err: text => void process.stderr.write(text),
    env: process.env,
    uid: process.getuid?.() ?? 0,
    program: [process.execPath, realpathSync(process.argv[1] ?? '')],
  }
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

function complain(text: string, code: number): number {
  process.stderr.write(`hostlinkd: ${text}\n`)
  return code
}
