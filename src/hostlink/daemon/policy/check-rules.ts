/** Rules held against this host: what must not be loaded, and what allows more or less than its author meant. */
import { basename } from 'node:path'
import type { Config } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import { whyFreeEnvIsOpen } from './free-env.ts'
import { isEngine, openFault } from './open-programs.ts'
import type { Token } from './policy.ts'
import { findProgram } from './program.ts'
import { programOf, type Rule } from './rule.ts'
import { unsafePlace } from './rule-paths.ts'
import { type Fault, hasHole } from './template.ts'
import { judge, LEADS } from './trust.ts'

type Env = NodeJS.ProcessEnv

/** `trusted`: the users who may change what the rules name. */
export function ruleProblems(
  config: Config,
  token: Token,
  env: Env,
  trusted: ReadonlySet<number>,
): Problem[] {
  return eachRule(config, token, rule => {
    const program = findProgram(programOf(rule), env)
    const file = program === null ? null : judge(program, trusted).real
    const open = file === null || isApplet(file) ? null : openFault(file, rule.template)
    const look = (path: string) => judge(path, trusted)
    const own = program === null ? null : look(program).unsafe
    const unsafe = own ?? unsafePlace(rule, placeOf(rule), look)
    if (open !== null) return [open]
    return unsafe === null ? [] : [{ ...unsafe, reason: `${unsafe.reason}: ${LEADS}` }]
  })
}

export const ruleDoubts = (config: Config, token: Token, env: Env): Problem[] =>
  eachRule(config, token, rule => {
    if (findProgram(programOf(rule), env) === null)
      return [{ reason: `there is no program ${programOf(rule)} here: the rule allows nothing` }]
    return [...startsContainers(rule), ...freeEnv(rule)]
  })

function eachRule(
  config: Config,
  { name, policy, file = config.file }: Token,
  look: (rule: Rule) => Fault[],
): Problem[] {
  if (policy.kind !== 'allowlist') return []
  return policy.rules.flatMap(rule => {
    const line = Number(rule.source.split(':').at(-1))
    const place = { file, line, key: `tokens.${name}.allow` }
    return look(rule).map(fault => ({ ...place, ...fault }))
  })
}

const placeOf = ({ workdir }: Rule): string =>
  workdir === undefined || hasHole(workdir) ? '/' : workdir.literal

/** One file with many names goes by the name that it is called by. */
const isApplet = (file: string): boolean => /^(busybox|toybox)$/.test(basename(file))

function startsContainers({ template }: Rule): Fault[] {
  const says = (text: string) => template.some(word => !hasHole(word) && word.literal === text)
  const isCompose =
    /compose$/.test(basename(programOf({ template }))) || (isEngine(template) && says('compose'))
  if (!isCompose || !says('up')) return []
  return [
    {
      reason: 'compose up means root: whoever can change what its files say can have the whole host',
      hint: 'a token with policy playbooks can be narrower: see examples/openclaw/policy.yaml',
    },
  ]
}

const freeEnv = ({ env }: Rule): Fault[] =>
  env.flatMap(name => {
    const why = whyFreeEnvIsOpen(name)
    if (why === null) return []
    return [{ reason: `lets the client set ${name}: ${why}`, hint: `take ${name} out of env` }]
  })
