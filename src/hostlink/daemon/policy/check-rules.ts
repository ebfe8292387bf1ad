/** Rules held against this host: what must not be loaded, and what allows more or less than its author meant. */
import { basename, posix } from 'node:path'
import type { Config } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import { resolveProgram } from '../exec/program.ts'
import { whyFreeEnvIsOpen } from './free-env.ts'
import { isEngine, openFault } from './open-programs.ts'
import type { Token } from './policy.ts'
import { programOf, type Rule } from './rule.ts'
import { type Fault, hasHole, type Word } from './template.ts'
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
    const file = resolveProgram(programOf(rule), env)
    const open = file === null || isApplet(file) ? null : openFault(file, rule.template)
    const paths = [...(file === null ? [] : [file]), ...foldersOf(rule)]
    return [...(open === null ? [] : [open]), ...paths.flatMap(path => unsafe(path, trusted))].slice(0, 1)
  })
}

export const ruleDoubts = (config: Config, token: Token, env: Env): Problem[] =>
  eachRule(config, token, rule => {
    if (resolveProgram(programOf(rule), env) === null)
      return [{ reason: `there is no program ${programOf(rule)} here: the rule allows nothing` }]
    return [...startsContainers(rule), ...freeEnv(rule)]
  })

function eachRule(
  { policyFile, file }: Config,
  { name, policy }: Token,
  look: (rule: Rule) => Fault[],
): Problem[] {
  if (policy.kind !== 'allowlist') return []
  return policy.rules.flatMap(rule => {
    const line = Number(rule.source.split(':').at(-1))
    const place = { file: policyFile ?? file, line, key: `tokens.${name}.allow` }
    return look(rule).map(fault => ({ ...place, ...fault }))
  })
}

/** One file with many names goes by the name that it is called by. */
const isApplet = (file: string): boolean => /^(busybox|toybox)$/.test(basename(file))

function unsafe(path: string, trusted: ReadonlySet<number>): Fault[] {
  const fault = judge(path, trusted).unsafe
  return fault === null ? [] : [{ ...fault, reason: `${fault.reason}: ${LEADS}` }]
}

/** Folders and files that the rule names. What a container is given behind `exec` is the container's. */
function foldersOf({ template, workdir }: Rule): string[] {
  const inside = isEngine(template)
    ? template.findIndex(word => !hasHole(word) && /^(exec|run)$/.test(word.literal))
    : -1
  const words = template.slice(1).filter((word, at) => {
    const isOptions = !hasHole(word) && word.literal.startsWith('-')
    const before = template[at]!
    const isBehindOption = !hasHole(before) && before.literal.startsWith('-')
    return inside < 0 || at + 1 < inside || isOptions || isBehindOption
  })
  const place = workdir === undefined || hasHole(workdir) ? '/' : workdir.literal
  return [...words, ...(workdir === undefined ? [] : [workdir])].flatMap(word => pathOf(word, place))
}

function pathOf(word: Word, place: string): string[] {
  if (hasHole(word)) return word.hole.kind === 'path' ? [word.hole.root] : []
  const [, absolute] = /^(?:-[A-Za-z]|[^=]*=)?(\/[^:]*)/.exec(word.literal) ?? []
  if (absolute !== undefined) return [absolute]
  const isRelative = /^[A-Za-z0-9_.-][^:=]*\//.test(word.literal) && !word.literal.startsWith('-')
  return isRelative ? [posix.join(place, word.literal)] : []
}

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
