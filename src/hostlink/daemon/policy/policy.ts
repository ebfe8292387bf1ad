/** What a token may do. Pure: the file system is asked through the context only. */
import { basename } from 'node:path'
import type { ExecRequest, JobRequest, RunRequest } from '../../messages.ts'
import { matchesGlob, matchesPath } from './glob.ts'
import { hazardsOf } from './hazard.ts'
import type { Hazard } from './hazard-words.ts'
import { CLIMBS, placeOf } from './place.ts'

export type Rule = {
  /** The program, by name or by absolute path. */
  readonly binary: string
  /**
   * Patterns for the arguments behind argv[0]: `*` within one, a last `**` for any rest. Absent: any arguments.
   * A `*` in front stands for no option (`-x`), one in a path does not climb out of it (`..`).
   */
  readonly args?: readonly string[]
  /** Names of variables that a request may set. */
  readonly env: readonly string[]
  /** Pattern for the working directory: `*` within one name, `**` over any depth. Absent: anywhere. */
  readonly workdir?: string
  /** Where the rule stands, for answers and the audit log: `policy.yaml:12`. */
  readonly source: string
}

export type Policy =
  | { readonly kind: 'full' }
  | { readonly kind: 'deny' }
  | { readonly kind: 'allowlist'; readonly rules: readonly Rule[] }
  | { readonly kind: 'playbooks'; readonly playbooks: readonly PlaybookGrant[] }

export type PlaybookGrant = {
  readonly name: string
  /** Of the file's bytes: 64 hex digits, with or without `sha256:` in front. */
  readonly digest: string
  readonly pinned?: Readonly<Record<string, unknown>> | undefined
}

export type Token = { readonly name: string; readonly policy: Policy }

export type Asked =
  | { readonly type: 'ping' }
  | { readonly type: 'cancel' }
  | { readonly type: 'exec'; readonly request: ExecRequest }
  | { readonly type: 'job'; readonly request: JobRequest }
  /** `digest`: of the playbook that would run; null where none is installed under the name. */
  | { readonly type: 'run'; readonly request: RunRequest; readonly digest: string | null }

export type PolicyContext = {
  /** argv[0] to the absolute path of the program, links followed, as the daemon's own PATH has it. */
  readonly resolve: (argv0: string) => string | null
  /** A path with links followed; null where nothing is there. */
  readonly realpath: (path: string) => string | null
  /** Also one that leads nowhere. */
  readonly isLink: (path: string) => boolean
}

/**
 * Where `resolvedArgv0` is given, it is what must be executed (with the request's own argv[0] as its name), and
 * `workdir` where: a link may lead elsewhere a moment after it was followed here. Where `pinned` is given, these inputs
 * of a run have these values.
 */
export type Verdict =
  | { allowed: true; resolvedArgv0?: string; workdir?: string; pinned?: Readonly<Record<string, unknown>> }
  | { allowed: false; rule: string }

export function decide(token: Token, asked: Asked, context: PolicyContext): Verdict {
  if (asked.type === 'ping') return { allowed: true }
  const { policy } = token
  switch (policy.kind) {
    case 'full':
      return { allowed: true }
    case 'deny':
      return deny(`policy deny of token ${token.name}`)
    case 'playbooks':
      return asked.type === 'run'
        ? decideRun(token.name, policy.playbooks, asked)
        : deny(`policy playbooks of token ${token.name}: ${asked.type} is not allowed, only run`)
    case 'allowlist':
      if (asked.type === 'run') return deny(`allowlist of token ${token.name}: runs are not in it`)
      // Jobs and running commands are looked up among the token's own.
      return asked.type === 'exec'
        ? decideExec(token.name, policy.rules, asked.request, context)
        : { allowed: true }
  }
}

/**
 * Its own runs are looked up among the token's own: it may read, confirm and cancel them. What counts is which ones it
 * may start; to go on with one that was left half-way, or to take back what stands, is for a person.
 */
function decideRun(
  name: string,
  grants: readonly PlaybookGrant[],
  { request, digest }: Extract<Asked, { type: 'run' }>,
): Verdict {
  const list = `policy playbooks of token ${name}`
  if (request.action === 'resume' || request.action === 'rollback')
    return deny(`${list}: ${request.action} is for the host's owner, who sees what was left half-way`)
  if (request.action !== 'start') return { allowed: true }
  const { playbook, inputs = {}, input_texts = {}, options } = request
  if (playbook.name === undefined) return deny(`${list}: only installed playbooks, not the text of one`)
  const grant = grants.find(each => each.name === playbook.name)
  if (grant === undefined) return deny(`${list}: ${playbook.name} is not in it`)
  if (digest !== null && digest !== bareDigest(grant.digest)) {
    return deny(
      `${list}: the installed ${playbook.name} is not the one that was reviewed (its digest differs)`,
    )
  }
  const { pinned = {} } = grant
  const fixed = [...Object.keys(inputs), ...Object.keys(input_texts)].find(key => Object.hasOwn(pinned, key))
  if (fixed !== undefined) return deny(`${list}: the input ${fixed} of ${playbook.name} is pinned`)
  // What the playbook's author lets be chosen is an input.
  const chosen = Object.entries(options ?? {}).find(([key, value]) => !isHarmless(key, value))
  if (chosen !== undefined) return deny(`${list}: ${chosen[0]} is not the caller's to choose`)
  return { allowed: true, pinned }
}

/** Neither what runs nor how far it goes. */
const HARMLESS = new Set(['check', 'plan', 'wait_lock'])
const USUAL: Readonly<Record<string, unknown>> = { allow_dirty: false, rollback: true }
const isHarmless = (option: string, value: unknown): boolean =>
  value === undefined || HARMLESS.has(option) || USUAL[option] === value

export const bareDigest = (digest: string): string => digest.replace(/^sha256:/, '')

const deny = (rule: string): Verdict => ({ allowed: false, rule })

function decideExec(
  name: string,
  rules: readonly Rule[],
  request: ExecRequest,
  context: PolicyContext,
): Verdict {
  const list = `allowlist of token ${name}`
  const { argv } = request
  if (argv === undefined) return deny(`${list}: shell text is never allowed, only argv`)
  const argv0 = argv[0]!
  if (argv0.includes('/') && !argv0.startsWith('/')) return deny(`${list}: the program is a relative path`)
  const resolved = context.resolve(argv0)
  if (resolved === null) return deny(`${list}: ${argv0} is no program that this daemon finds`)
  const sameProgram = rules.filter(rule => isSameProgram(rule, argv0, resolved, context))
  if (sameProgram.length === 0) return deny(`${list}: no rule allows ${resolved}`)
  const fitting = sameProgram.filter(rule => fits(rule, argv))
  if (fitting.length === 0) return deny(`${list}: no rule for ${resolved} allows these arguments`)
  const workdir = request.workdir === undefined ? null : context.realpath(request.workdir)
  let objection: string | null = null
  for (const rule of fitting) {
    const found = objectionOf(rule, request, argv, resolved, workdir, context)
    if (found === null)
      return { allowed: true, resolvedArgv0: resolved, ...(workdir === null ? {} : { workdir }) }
    objection ??= `${rule.source}: ${found}`
  }
  return deny(objection ?? list)
}

/**
 * The same file under the same name: programs that do many things under many names (busybox) are one file.
 */
const isSameProgram = (rule: Rule, argv0: string, resolved: string, context: PolicyContext): boolean =>
  basename(argv0) === basename(rule.binary) && context.resolve(rule.binary) === resolved

function fits({ args }: Rule, argv: readonly string[]): boolean {
  if (args === undefined) return true
  const isOpen = args.at(-1) === '**'
  const fixed = isOpen ? args.slice(0, -1) : args
  const given = argv.slice(1)
  if (given.length < fixed.length || (!isOpen && given.length > fixed.length)) return false
  return fixed.every((pattern, index) => isMeant(pattern, given[index]!))
}

function isMeant(pattern: string, word: string): boolean {
  if (pattern.startsWith('*') && /^-./s.test(word)) return false
  if (/\*.*\/|\/.*\*/s.test(pattern) && CLIMBS.test(word) && !CLIMBS.test(pattern)) return false
  return matchesGlob(pattern, word)
}

/** Why a rule whose arguments fit does not allow the request. */
function objectionOf(
  rule: Rule,
  request: ExecRequest,
  argv: readonly string[],
  resolved: string,
  workdir: string | null,
  context: PolicyContext,
): string | null {
  const foreign = Object.keys(request.env ?? {}).find(name => !rule.env.includes(name))
  if (foreign !== undefined) return `the variable ${foreign} is not named by the rule`
  const elsewhere = workdirObjection(rule, request.workdir, workdir)
  if (elsewhere !== null) return elsewhere
  const place = placeOf(rule, workdir, context)
  // A program is known by each of its names: `docker` may be a link to `podman`.
  const programs = new Set([basename(argv[0]!), basename(resolved)])
  const hazards = [...programs].flatMap(program => hazardsOf(program, argv, place))
  const open = hazards.find(hazard => !isNamed(rule, hazard))
  return open === undefined ? null : `${open.why}, and the rule does not name it`
}

/** The pattern that stands for the word must begin with it: neither `*` nor `**` names anything. */
const isNamed = ({ args = [] }: Rule, { words }: Hazard): boolean =>
  words.every(({ index, text, isPath }) => {
    const pattern = args[index - 1]
    if (pattern === undefined || pattern === '**') return false
    const literal = pattern.split('*')[0]!
    if (isPath && literal.length > 1 && text.startsWith(literal)) return true
    return literal === text || (text.startsWith('--') && literal.startsWith(`${text}=`))
  })

function workdirObjection(rule: Rule, asked: string | undefined, real: string | null): string | null {
  if (rule.workdir === undefined) return null
  if (asked === undefined) return `a workdir within ${rule.workdir} is needed`
  // Links in it may lead anywhere: what counts is where the command would really be.
  const isInside = real !== null && matchesPath(rule.workdir, real)
  return isInside ? null : `the workdir is not within ${rule.workdir}`
}
