/** hostlinkd check: everything that is wrong with a config and what it names, all at once. */

import { accessSync, constants, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { quietly } from '../../process/quietly.ts'
import { systemReason } from '../../process/system-error.ts'
import { auditPath } from './audit.ts'
import { getgid } from './config/accounts.ts'
import { type BinIo, complain } from './config/bin-io.ts'
import { type Config, problemAt } from './config/config.ts'
import { loadConfig } from './config/config-file.ts'
import type { KeyName } from './config/config-keys.ts'
import { readFlags } from './config/flags.ts'
import { type Problem, wordProblem } from './config/problem.ts'
import { findUser } from './config/user.ts'
import { outputFault } from './output-folder.ts'
import { ruleDoubts } from './policy/check-rules.ts'
import { findProgram } from './policy/program.ts'
import { loadTokens } from './policy/tokens.ts'
import type { RunService } from './run-service.ts'

const USAGE = `usage: hostlinkd check [-c FILE]

Says everything that is wrong with the config and with what it names: exit code 0 when nothing is, 1 otherwise.

  -c, --config FILE  (default: /etc/hostlink/hostlink.conf)
`
const FLAGS = { config: { type: 'string', short: 'c' }, help: { type: 'boolean', short: 'h' } } as const

type Found = { problems: Problem[]; warnings: Problem[] }

export async function runCheck(argv: readonly string[], io: BinIo, service: RunService): Promise<number> {
  const read = readFlags(argv, FLAGS)
  if ('reason' in read) return complain(io, `check: ${read.reason}`, read.hint ?? 'hostlinkd check --help')
  const flags = read.values
  if (flags.help) {
    io.out(USAGE)
    return 0
  }
  const file = flags.config ?? '/etc/hostlink/hostlink.conf'
  const { problems, warnings } = await checkConfig(file, io.env, service)
  for (const problem of problems) io.out(`${wordProblem(problem)}\n`)
  for (const warning of warnings) io.out(`warning: ${wordProblem(warning)}\n`)
  const count = (list: Problem[], word: string) => `${list.length} ${word}${list.length === 1 ? '' : 's'}`
  io.out(
    `${file}: ${problems.length === 0 ? 'fine' : count(problems, 'problem')}, ${count(warnings, 'warning')}\n`,
  )
  return problems.length === 0 ? 0 : 1
}

async function checkConfig(file: string, env: NodeJS.ProcessEnv, service: RunService): Promise<Found> {
  const loaded = loadConfig(file)
  if ('problems' in loaded) return { problems: loaded.problems, warnings: loaded.warnings ?? [] }
  const { config } = loaded
  const found: Found = { problems: [], warnings: [...loaded.warnings] }
  const tokens = await loadTokens(config, env)
  if ('problems' in tokens) found.problems.push(...tokens.problems)
  else {
    found.warnings.push(...tokens.warnings)
    for (const token of tokens.tokens.tokens) found.warnings.push(...ruleDoubts(config, token, env))
  }
  if (!('problems' in tokens)) {
    found.problems.push(...service.grantProblems(config, tokens.tokens.tokens))
    const grants = await service.checkGrants(config, tokens.tokens.tokens, env)
    found.problems.push(...grants.problems)
    found.warnings.push(...grants.warnings)
  }
  checkSocket(config, found)
  checkShell(config, found)
  checkUser(config, found)
  checkFolder(config, 'output_tmpdir', config.outputTmpdir, found)
  const user = config.runAsUser === null ? null : findUser(config.runAsUser)
  const unfit = outputFault(config, user)
  if (unfit !== null) found.problems.push(problemAt(config, unfit.key, unfit.reason, unfit.hint))
  if (config.logTarget.startsWith('/')) checkFolder(config, 'log_target', dirname(config.logTarget), found)
  checkFolder(config, 'runs_state_dir', service.stateFolder(config, env), found)
  if (config.hostopsCommand !== null && statOf(config.hostopsCommand) === undefined) {
    found.problems.push(problemAt(config, 'hostops_command', `there is no ${config.hostopsCommand}`))
  }
  const audit = auditPath(config)
  if (config.auditLog !== null && audit !== null) checkFolder(config, 'audit_log', dirname(audit), found)
  return found
}

function checkSocket(config: Config, found: Found): void {
  if (!config.unixEnabled) return
  if (getgid(config.unixGroup) === null) {
    const isNamed = config.lines.has('unix_group')
    const hint = `groupadd --system ${config.unixGroup}`
    const reason = `there is no group ${config.unixGroup}${isNamed ? '' : ': the socket keeps the group of the daemon'}`
    ;(isNamed ? found.problems : found.warnings).push(problemAt(config, 'unix_group', reason, hint))
  }
  const folder = dirname(config.unixPath)
  checkFolder(config, 'unix_path', folder, found)
  if (statOf(config.unixPath)?.isSocket() === false) {
    const reason = `${config.unixPath} is there and is not a socket`
    found.problems.push(problemAt(config, 'unix_path', reason, `look at it: ls -l ${config.unixPath}`))
  }
  const mode = statOf(folder)?.mode ?? 0
  if ((mode & 0o002) !== 0 && (mode & 0o1000) === 0) {
    const reason = `${folder} can be changed by every user of this machine: another socket could stand in for this one`
    found.problems.push(problemAt(config, 'unix_path', reason, `chmod o-w ${folder}`))
  }
}

function checkShell(config: Config, found: Found): void {
  if (findProgram(config.shell, {}) !== null) return
  const reason = statOf(config.shell) === undefined ? 'there is no' : 'cannot be executed:'
  found.problems.push(problemAt(config, 'shell', `${reason} ${config.shell}`, 'shell = /bin/sh'))
}

function checkUser(config: Config, found: Found): void {
  const { runAsUser } = config
  if (runAsUser !== null && findUser(runAsUser) === null) {
    found.problems.push(
      problemAt(config, 'run_as_user', `there is no user ${runAsUser}`, `useradd --system ${runAsUser}`),
    )
  }
}

/** Folders that are missing are made by the daemon, so that what counts is the nearest one that is there. */
function checkFolder(config: Config, key: KeyName, folder: string, found: Found): void {
  let there = folder
  while (statOf(there) === undefined && dirname(there) !== there) there = dirname(there)
  const stats = statOf(there)
  if (stats !== undefined && !stats.isDirectory()) {
    found.problems.push(problemAt(config, key, `${there} is not a folder`))
    return
  }
  try {
    accessSync(there, constants.W_OK | constants.X_OK)
  } catch (error) {
    found.problems.push(problemAt(config, key, `${there}: ${systemReason(error)}`, `ls -ld ${there}`))
  }
}

const statOf = (path: string): Stats | undefined => quietly(() => statSync(path))
