/** The daemon's life: start, reload, stop. Answers instead of exiting: only the bin ends the process. */
import { chownSync, closeSync, fchownSync, openSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { openJobs } from '../../jobs/jobs.ts'
import { makeFolder } from '../../process/make-folder.ts'
import { preparePipes } from '../../process/pipe.ts'
import { reasonWithPath } from '../../process/system-error.ts'
import { type Audit, openAudit } from './audit.ts'
import { type Config, problemAt } from './config/config.ts'
import { loadConfig } from './config/config-file.ts'
import { type DaemonLog, openLog } from './config/log.ts'
import { type Problem, wordProblem } from './config/problem.ts'
import { becomeUser, findUser, loginEnvironment, type User } from './config/user.ts'
import { jobSettings } from './exec/job-start.ts'
import { outputFault } from './output-folder.ts'
import { type Accept, type Listening, listen, type Refused } from './peers/listen.ts'
import { loadTokens, type TokenTable } from './policy/tokens.ts'
import type { RunService } from './run-service.ts'
import { createServer, type Server } from './server.ts'

export type DaemonOptions = {
  readonly configFile: string
  readonly pidFile: string | null
  readonly isVerbose: boolean
  readonly env: NodeJS.ProcessEnv
}

type Daemon = {
  /** Everything but the sockets, from the file; a broken file changes nothing. */
  reload(): Promise<void>
  stop(reason: string): Promise<void>
  readonly log: DaemonLog
}

/** In words, for a person. */
export type StartFailure = { readonly failed: string }

type Settings = { config: Config; tokens: TokenTable; warnings: Problem[] }

export async function startDaemon(
  options: DaemonOptions,
  service: RunService,
): Promise<Daemon | StartFailure> {
  process.umask(0o077)
  const first = await loadSettings(options, service)
  if ('problems' in first) return { failed: first.problems.map(wordProblem).join('\n') }
  let settings = first
  const config = () => settings.config
  const { runAsUser } = settings.config
  const user = runAsUser === null ? null : findUser(runAsUser)
  if (runAsUser !== null && user === null) return { failed: `run_as_user: there is no user ${runAsUser}` }

  const unfit = outputFault(settings.config, user)
  if (unfit !== null)
    return { failed: wordProblem(problemAt(settings.config, unfit.key, unfit.reason, unfit.hint)) }

  if (user !== null) makeLogFor(settings.config.logTarget, user)
  const log = openLog(settings.config)
  for (const warning of settings.warnings) log.warn(inOneLine(warning))
  // Whoever connects before the rest stands waits for it.
  const early: Parameters<Accept>[] = []
  let accept: Accept = (...arrival) => void early.push(arrival)
  const listening = await openDoors(config(), (...arrival) => accept(...arrival), log, options.pidFile, user)
  if ('failed' in listening) return listening

  const audit = openAudit({ config, log, secrets: () => settings.tokens.secrets })
  const hostEnv = loginEnvironment(user ?? findUser(String(process.getuid?.())), options.env, user !== null)
  const jobs = openJobs({ settings: () => jobSettings(config()), log })
  const hostRuns = service.open({ config, log, jobs, hostEnv })
  const tokens = () => settings.tokens
  const server = createServer({ config, tokens, jobs, hostRuns, audit, log, hostEnv })
  hostRuns.goOn()
  await preparePipes()
  accept = server.accept
  for (const arrival of early.splice(0)) accept(...arrival)
  log.info(`hostlinkd listens on ${listening.places.join(' and ')}`)
  return {
    log,
    reload: async () => {
      const next = await loadSettings(options, service)
      if ('problems' in next) {
        for (const problem of next.problems) log.error(`reload: ${inOneLine(problem)}`)
        return log.error('reload: the config is broken; the values from before are kept')
      }
      settings = { ...next, config: keepSockets(next.config, settings.config) }
      log.configure(settings.config)
      for (const warning of next.warnings) log.warn(inOneLine(warning))
      log.info('reload: done')
    },
    stop: reason => stopAll(reason, { listening, server, audit, log }, options.pidFile),
  }
}

async function loadSettings(
  { configFile, isVerbose, env }: DaemonOptions,
  service: RunService,
): Promise<Settings | { problems: Problem[] }> {
  const loaded = loadConfig(configFile)
  if ('problems' in loaded) return loaded
  const config: Config = isVerbose ? { ...loaded.config, logLevel: 'debug' } : loaded.config
  const tokens = await loadTokens(config, env)
  if ('problems' in tokens) return tokens
  const grants = service.grantProblems(config, tokens.tokens.tokens)
  return { config, tokens: tokens.tokens, warnings: [...loaded.warnings, ...tokens.warnings, ...grants] }
}

/** Sockets are opened and files are made with the rights that we have now, before they are given up. */
async function openDoors(
  config: Config,
  accept: Accept,
  log: DaemonLog,
  pidFile: string | null,
  user: User | null,
): Promise<Listening | StartFailure> {
  const listening = await listen(config, accept, log)
  if ('refused' in listening) return { failed: wordRefusal(listening) }
  try {
    if (pidFile !== null) writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o644 })
    if (user !== null) {
      handOver(config, listening.madeFolder, user)
      becomeUser(user)
    }
    return listening
  } catch (error) {
    listening.close()
    return { failed: `cannot start: ${reasonWithPath(error)}` }
  }
}

/** What the daemon must write to later, as that user. */
function handOver(config: Config, socketFolder: string | null, { uid, gid }: User): void {
  if (socketFolder !== null) chownSync(socketFolder, uid, -1)
  const made = makeFolder(config.outputTmpdir, 0o700)
  if (made !== undefined) chownSync(config.outputTmpdir, uid, gid)
  if (config.runsStateDir !== null) {
    if (makeFolder(config.runsStateDir, 0o700)) chownSync(config.runsStateDir, uid, gid)
  }
}

/**
 * Only a file of our own making is given away. Where one is there already, somebody chose its owner, or the user
 * whom we are about to become has put a link in its place, to be given any file of root's.
 */
function makeLogFor(path: string, { uid, gid }: User): void {
  if (!path.startsWith('/')) return
  try {
    const fd = openSync(path, 'wx', 0o600)
    fchownSync(fd, uid, gid)
    closeSync(fd)
  } catch {
    // There already; or opening the log tells why not.
  }
}

const inOneLine = (problem: Problem): string => wordProblem(problem).replaceAll('\n', '; ')

const wordRefusal = ({ refused, hint }: Refused): string =>
  hint === undefined ? refused : `${refused}\nhint: ${hint}`

function keepSockets(next: Config, now: Config): Config {
  const { unixEnabled, unixPath, unixMode, unixGroup, tcpEnabled, tcpBind, tcpPort, runAsUser } = now
  return { ...next, unixEnabled, unixPath, unixMode, unixGroup, tcpEnabled, tcpBind, tcpPort, runAsUser }
}

type Parts = { listening: Listening; server: Server; audit: Audit; log: DaemonLog }

async function stopAll(reason: string, { listening, server, audit, log }: Parts, pidFile: string | null) {
  log.info(`${reason}: stopping`)
  listening.close()
  await server.shutdown()
  await audit.close()
  if (pidFile !== null) removeOwn(pidFile)
  log.info('stopped')
}

/** A pid file that another daemon has written since is not ours to remove. */
function removeOwn(pidFile: string): void {
  try {
    if (Number(readFileSync(pidFile, 'utf8')) === process.pid) unlinkSync(pidFile)
  } catch {
    // Gone already, or not ours to touch any more.
  }
}
