/** The one place where failures become words: lower case, no full stop, then what to type next. */
import type { Failure, InputProblem } from './failure.ts'
import { printDuration } from './steps/duration.ts'

export type Worded = { message: string; hint?: string }

export const sentence = (failure: Failure): string => word(failure).message

export function word(failure: Failure): Worded {
  switch (failure.code) {
    case 'usage':
      return { message: failure.problem, ...(failure.hint ? { hint: failure.hint } : {}) }
    case 'playbook-not-found':
      return {
        message: `no playbook ${quoted(failure.name)}; looked in ${failure.searched.join(', ')}`,
        hint: failure.suggestion
          ? `did you mean ${quoted(failure.suggestion)}?`
          : 'hostops list   shows the playbooks that there are',
      }
    case 'playbook-invalid':
      return {
        message: `${failure.file}: ${count(failure.diagnostics, 'mistake')}, the first one: ${failure.first}`,
        hint: `hostops validate ${failure.file}`,
      }
    case 'inputs-invalid':
      return {
        message: failure.problems.map(inputProblem).join('; '),
        hint: 'hostops show NAME   lists the inputs with their types; give them as -i key=value',
      }
    case 'settings-invalid':
      return { message: `${failure.file}: ${failure.problems.join('; ')}` }
    case 'unreachable':
      return {
        message: `cannot reach ${failure.target}: ${failure.reason}`,
        hint: failure.hint ?? `hostops doctor --target ${failure.target}`,
      }
    case 'auth-failed':
      return {
        message: `${failure.target} does not accept the token`,
        hint: 'set HOSTLINK_TOKEN or HOSTLINK_TOKEN_FILE to the token of the host’s daemon',
      }
    case 'denied':
      return {
        message: `${failure.target} denied a command: ${failure.rule}`,
        hint: 'the policy of this token on the host decides; hostops doctor shows which one it is',
      }
    case 'link-lost':
      return {
        message: `the link to ${failure.target} was lost while ${quoted(failure.command)} ran: ${failure.reason}`,
        hint: 'whether it ended, and how, is not known; look at the host before anything is repeated',
      }
    case 'command-failed':
      return {
        message: `${commandLine(failure.argv)} ${ending(failure.exitCode, failure.signal)}${tail(failure.tail)}`,
      }
    case 'command-timeout':
      return {
        message: `${commandLine(failure.argv)} did not end within ${printDuration(failure.timeoutMs)} and was stopped${tail(failure.tail)}`,
        hint: 'give the step a longer timeout: if that is what it needs',
      }
    case 'command-not-started':
      return notStarted(failure)
    case 'output-unreadable':
      return { message: `cannot make sense of what ${commandLine(failure.argv)} printed: ${failure.problem}` }
    case 'not-a-repository':
      return {
        message: `${failure.path} is no git checkout: ${failure.detail}`,
        hint: 'repoPath is the path of the checkout as the target sees it',
      }
    case 'dirty-tree':
      return {
        message: `${failure.repo} has ${count(failure.total, 'local change')}: ${listed(failure.entries, failure.total)}`,
        hint: `git -C ${failure.repo} status   shows them; commit or stash them, or run with --allow-dirty`,
      }
    case 'ref-not-found':
      return {
        message: `${failure.repo} has no branch, tag or commit ${quoted(failure.ref)}`,
        hint: failure.suggestion
          ? `did you mean ${quoted(failure.suggestion)}?`
          : `git -C ${failure.repo} ls-remote   shows what there is`,
      }
    case 'ref-ambiguous':
      return {
        message: `${quoted(failure.ref)} is ${failure.candidates.join(' and ')} in ${failure.repo}`,
        hint: `say which one: ${failure.candidates.join(' or ')}`,
      }
    case 'history-rewritten':
      return {
        message: `${failure.branch} was rewritten upstream: ${short(failure.local)} is no ancestor of ${short(failure.remote)}`,
        hint: `look at it first: git -C ${failure.repo} log --oneline ${short(failure.remote)}...${short(failure.local)}`,
      }
    case 'branch-diverged':
      return {
        message: `${failure.branch} has ${count(failure.ahead, 'commit')} of its own and lacks ${failure.behind} of upstream’s`,
        hint: `git -C ${failure.repo} log --oneline @{upstream}..   shows the commits that exist only there`,
      }
    case 'index-locked':
      return {
        message: `${failure.lockFile} exists${failure.ageSeconds === null ? '' : ` (${failure.ageSeconds} s old)`}: ${failure.holder ? `held by ${failure.holder}` : 'no process holds it'}`,
        hint: failure.holder
          ? 'wait until that git command has ended'
          : `when no git command runs there any more: rm ${failure.lockFile}`,
      }
    case 'files-in-the-way':
      return {
        message: `the new tree would overwrite ${listed(failure.files, failure.files.length)}`,
        hint: 'move them away first: git keeps no copy of ignored or untracked files',
      }
    case 'signature-missing':
      return { message: `${quoted(failure.ref)} carries no good signature: ${failure.detail}` }
    case 'fetch-failed':
      return {
        message: `cannot fetch ${failure.remote} in ${failure.repo}: ${failure.detail}`,
        hint: `on the target: git -C ${failure.repo} fetch ${failure.remote}`,
      }
    case 'head-differs':
      return {
        message: `HEAD of ${failure.repo} is ${short(failure.actual)}, expected ${short(failure.expected)}`,
      }
    case 'compose-failed':
      return {
        message: `docker compose ${failure.verb} in ${failure.dir} ended with exit code ${failure.exitCode}${failure.cause ? `: ${failure.cause}` : tail(failure.tail)}`,
      }
    case 'compose-file-missing':
      return {
        message: `no compose file in ${failure.dir}: ${failure.detail}`,
        hint: 'composePath (dir:) is the folder that holds compose.yaml, as the target sees it; other names go under files:',
      }
    case 'compose-file-invalid':
      return {
        message: `the compose file in ${failure.dir} is wrong: ${failure.detail}`,
        hint: `on the target: docker compose --project-directory ${failure.dir} config`,
      }
    case 'service-unknown':
      return {
        message: `no service ${failure.services.join(', ')} in ${failure.dir}`,
        hint:
          failure.known.length > 0
            ? `the services there are: ${listed(failure.known, failure.known.length)}`
            : `on the target: docker compose --project-directory ${failure.dir} config --services`,
      }
    case 'port-taken':
      return {
        message: `${failure.port === null ? 'a port' : `port ${failure.port}`} that the stack in ${failure.dir} wants is taken: ${failure.detail}`,
        hint: `on the target: ${failure.port === null ? 'docker ps, and ss -ltnp' : `docker ps --filter publish=${failure.port}, or ss -ltnp 'sport = :${failure.port}'`}   shows who has it`,
      }
    case 'disk-full':
      return {
        message: `no space left on the target: ${failure.detail}`,
        hint: 'on the target: docker system df, and df -h; then make room (docker builder prune frees build cache)',
      }
    case 'compose-plugin-missing':
      return {
        message: `docker compose is not there: ${failure.detail}`,
        hint: 'install Compose v2 on the target (package docker-compose-plugin or docker-compose-v2)',
      }
    case 'engine-down':
      return {
        message: `the Docker engine does not answer: ${failure.detail}`,
        hint: 'on the target: systemctl status docker',
      }
    case 'not-stable':
      return {
        message: `${failure.services.join(', ')}: ${failure.detail}${failure.cause ? `: ${failure.cause}` : tail(failure.tail)}`,
      }
    case 'rollback-set-missing':
      return { message: `the way back is not complete: ${failure.what.join(', ')} is missing` }
    case 'images-differ':
      return { message: `not the recorded image: ${failure.services.join(', ')}` }
    case 'unhealthy':
      return {
        message: `not healthy within ${printDuration(failure.timeoutMs)}: ${failure.probes.map(p => `${p.url} (${p.last})`).join(', ')}`,
      }
    case 'expression-failed':
      return { message: `${failure.where}: \${{ ${failure.expression} }}: ${failure.problem}` }
    case 'step-input-invalid':
      return { message: `${failure.step}: ${failure.problems.join('; ')}` }
    case 'step-timeout':
      return {
        message: `${failure.step} did not end within ${printDuration(failure.timeoutMs)}`,
        hint: 'give the step a longer timeout: if that is what it needs',
      }
    case 'run-timeout':
      return { message: `the run did not end within ${printDuration(failure.timeoutMs)}` }
    case 'interrupted':
      return { message: `interrupted by ${failure.signal}` }
    case 'plan-moved':
      return {
        message: `the target has moved since the check: plan ${failure.expected} is now ${failure.actual}`,
        hint: 'run it again with --check, read what would change, and pass the new hash',
      }
    case 'lock-held':
      return {
        message: `${failure.what} is locked by ${failure.holder} since ${failure.since}`,
        hint: 'wait for it with --wait-lock 5m, or look at it with hostops runs',
      }
    case 'interrupted-run':
      return {
        message: `${failure.what} was left half-way by run ${failure.runId}, whose runner is gone`,
        hint: `finish it with hostops resume ${failure.runId}, or take it back with hostops rollback ${failure.runId}`,
      }
    case 'lock-unwritable':
      return { message: `cannot take a lock on the target: ${failure.detail}` }
    case 'self-upgrade': {
      const { who, step, project, service, command } = failure
      const place = `service ${service} of compose project ${project}`
      if (who === 'runner') {
        return {
          message: `${step} would replace the container that this runner lives in (${place}), so nobody would see the end of it`,
          hint: command,
        }
      }
      return {
        message: `${step} would replace the container that the daemon of the target lives in (${place})`,
        hint: 'let hostlinkd run on the host itself, or in a stack that no playbook replaces',
      }
    }
    case 'approval-denied':
      return { message: `${failure.step} was not approved: ${failure.reason}` }
    case 'irreversible':
      return {
        message: `${failure.step} cannot be taken back, so nothing before it was rolled back`,
        hint: 'decide by hand whether the old version can live with what it did',
      }
    case 'end-not-seen':
      return {
        message: `${failure.step} was begun, nobody saw how it ended, and it is not safe to repeat`,
        hint: `look at the host, then: hostops rollback ${failure.runId}, or hostops resume ${failure.runId} --assume done`,
      }
    case 'not-begun':
      return {
        message: `the runner of ${failure.runId} ended before it had begun anything`,
        hint: 'nothing was changed: run it again',
      }
    case 'taken-back':
      return { message: `taken back by hostops rollback ${failure.runId}` }
    case 'no-way-back':
      return {
        message: `${failure.step} changed the host and has no way back`,
        hint: 'give the step undo: in the playbook',
      }
    case 'not-done':
      return { message: `${failure.movement} ${failure.step} was not done` }
    case 'not-restored':
      return { message: `${failure.step}: ${failure.problem}` }
    case 'state-unwritable':
      return {
        message: `cannot write ${failure.path}: ${failure.problem}`,
        hint: 'make room there or choose another folder with HOSTOPS_STATE_DIR',
      }
    case 'internal':
      return {
        message: `a fault in hostops itself: ${failure.problem}`,
        hint: 'please report it together with the journal of the run',
      }
  }
}

const quoted = (text: string) => `"${text}"`
const short = (sha: string) => (/^[0-9a-f]{40,64}$/.test(sha) ? sha.slice(0, 12) : sha)
const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`
const commandLine = (argv: string[]) => {
  const line = argv.join(' ').replace(/\s+/g, ' ')
  return quoted(line.length > 120 ? `${line.slice(0, 117)}...` : line)
}
const ending = (code: number | null, signal: string | null) =>
  signal ? `was ended by ${signal}` : `ended with exit code ${code}`
const tail = (text: string) => (text.trim() === '' ? '' : `: ${lastLine(text)}`)
const lastLine = (text: string) => text.trimEnd().split('\n').at(-1)!.trim()
const listed = (entries: string[], total: number) => {
  const shown = entries.slice(0, 5).join(', ')
  return total > 5 ? `${shown} and ${total - 5} more` : shown
}

function inputProblem(problem: InputProblem): string {
  const suggestion = problem.suggestion ? ` (did you mean ${quoted(problem.suggestion)}?)` : ''
  switch (problem.problem) {
    case 'unknown':
      return `unknown input ${quoted(problem.input)}${suggestion}`
    case 'missing':
      return `missing input ${quoted(problem.input)}: ${problem.detail}`
    case 'ill-typed':
      return `input ${quoted(problem.input)}: ${problem.detail}`
    case 'pinned':
      return `input ${quoted(problem.input)} is pinned: ${problem.detail}`
    case 'given-twice':
      return `input ${quoted(problem.input)} is given twice`
    case 'unreadable':
      return `input ${quoted(problem.input)}: ${problem.detail}`
  }
}

function notStarted(failure: Failure & { code: 'command-not-started' }): Worded {
  const program = failure.argv[0] ?? ''
  switch (failure.why) {
    case 'not-found':
      return {
        message: `${quoted(program)} is not on the target: ${failure.detail}`,
        hint: `install ${program} there, or give its full path`,
      }
    case 'not-executable':
      return { message: `${quoted(program)} cannot be executed: ${failure.detail}` }
    case 'bad-cwd':
      return { message: `working directory not accessible: ${failure.detail}` }
    case 'busy':
      return {
        message: `the target is busy: ${failure.detail}`,
        hint: 'try again, or raise max_concurrent there',
      }
    case 'too-large':
      return { message: `the command is too large for this target: ${failure.detail}` }
    case 'other':
      return { message: `cannot start ${commandLine(failure.argv)}: ${failure.detail}` }
  }
}
