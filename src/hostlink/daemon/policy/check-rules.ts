/** Rules of an allowlist that are right as such, and allow far more or far less than their author will have meant. */
import { basename } from 'node:path'
import type { Config } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import { resolveProgram } from '../exec/program.ts'
import { whyFreeEnvIsOpen } from './free-env.ts'
import { runsPrograms } from './hazard-run.ts'
import type { Rule, Token } from './policy.ts'

type Doubt = Pick<Problem, 'reason' | 'hint'>

/** Programs that do anything to the host when their arguments are free. */
const OPEN = /^(git|docker|docker-compose|podman|podman-compose|nerdctl|systemctl|find|rm)$/
const ENGINE = /^(docker|podman|nerdctl)$/
/** Programs for which the folder that they begin in decides what they do. */
const GOES_BY_FOLDER = /^(git|docker-compose|podman-compose|make|npm|npx|rm|find)$/
/** Options of theirs that name another folder or file once and for all. */
const NAMES_FOLDER = /^(-C|-f|--file|--directory|--git-dir|--project-directory|--prefix)$/

export function ruleDoubts(config: Config, { name, policy }: Token, env: NodeJS.ProcessEnv): Problem[] {
  if (policy.kind !== 'allowlist') return []
  return policy.rules.flatMap(rule => {
    const line = Number(rule.source.split(':').at(-1))
    const place = { file: config.policyFile ?? config.file, line, key: `tokens.${name}.allow` }
    return doubtsOf(rule, env).map(doubt => ({ ...place, ...doubt }))
  })
}

function doubtsOf(rule: Rule, env: NodeJS.ProcessEnv): Doubt[] {
  const resolved = resolveProgram(rule.binary, env)
  if (resolved === null)
    return [{ reason: `there is no program ${rule.binary} here: the rule allows nothing` }]
  const names = [basename(rule.binary), basename(resolved)]
  return [freeArguments(rule, names), freeFolder(rule, names), ...freeEnv(rule)].filter(
    doubt => doubt !== null,
  )
}

function freeArguments({ binary, args }: Rule, names: readonly string[]): Doubt | null {
  if (args !== undefined && args[0] !== '**') return null
  const hint = `say which arguments: argv: [${names[0]}, ...]`
  if (names.some(runsPrograms))
    return {
      reason: `${binary} runs other programs, and only those that the rule names: it allows none`,
      hint,
    }
  return names.some(name => OPEN.test(name))
    ? { reason: `${binary} with any arguments can do nearly everything on this host`, hint }
    : null
}

function freeFolder({ binary, args, workdir }: Rule, names: readonly string[]): Doubt | null {
  if (workdir !== undefined || !names.some(name => goesByFolder(name, args))) return null
  const namesFolder = args?.some(
    (word, index) =>
      (NAMES_FOLDER.test(word) && args[index + 1]?.startsWith('/')) ||
      (NAMES_FOLDER.test(word.split('=')[0]!) && word.includes('=/')),
  )
  if (namesFolder) return null
  return {
    reason: `has no workdir: the client chooses the folder that ${binary} works in`,
    hint: 'say which one: workdir: /srv/openclaw',
  }
}

const freeEnv = ({ env }: Rule): Doubt[] =>
  env.flatMap(name => {
    const why = whyFreeEnvIsOpen(name)
    if (why === null) return []
    return [{ reason: `lets the client set ${name}: ${why}`, hint: `take ${name} out of env` }]
  })

const goesByFolder = (name: string, args: Rule['args']): boolean =>
  GOES_BY_FOLDER.test(name) ||
  (ENGINE.test(name) && (args === undefined || /^(compose|build|buildx|stack|\*\*?)$/.test(args[0] ?? '')))
