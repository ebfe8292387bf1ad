/** What a token may do. Pure: the file system is asked through the context only. */
import { basename } from 'node:path'
import type { ExecRequest, JobRequest, RunRequest } from '../../messages.ts'
import { judgeRequest } from './judge-request.ts'
import { type Judgement, type PolicyContext, programOf, type Rule } from './rule.ts'
import { match } from './template.ts'

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

/** `file`: the policy file that names it, if one does. */
export type Token = { readonly name: string; readonly policy: Policy; readonly file?: string }

export type Asked =
  | { readonly type: 'ping' }
  | { readonly type: 'cancel' }
  | { readonly type: 'exec'; readonly request: ExecRequest }
  | { readonly type: 'job'; readonly request: JobRequest }
  /** `digest`: of the playbook that would run; null where none is installed under the name. */
  | { readonly type: 'run'; readonly request: RunRequest; readonly digest: string | null }

/** Where `pinned` is given, these inputs of a run have these values. */
export type Verdict =
  | { allowed: true; judgement?: Judgement; pinned?: Readonly<Record<string, unknown>> }
  | { allowed: false; rule: string }

export function decideRequest(token: Token, asked: Asked, context: PolicyContext): Verdict {
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
  const file = fileOf(argv0, context)
  if (file === null) return deny(`${list}: ${argv0} is no program that this daemon finds`)
  const sameProgram = rules.filter(rule => isSameProgram(rule, argv0, file, context))
  if (sameProgram.length === 0) return deny(`${list}: no rule allows ${file}`)
  const fitting = sameProgram.flatMap(rule => {
    const filled = match(rule.template.slice(1), argv.slice(1))
    return filled === null ? [] : [{ rule, filled }]
  })
  if (fitting.length === 0) return deny(`${list}: no rule for ${file} allows these arguments`)
  let objection: string | null = null
  for (const { rule, filled } of fitting) {
    const found = judgeRequest({ rule, filled, request, argv, file }, context)
    if (typeof found !== 'string') return { allowed: true, judgement: found }
    objection ??= `${rule.source}: ${found}`
  }
  return deny(objection ?? list)
}

/**
 * The same file under the same name: programs that do many things under many names (busybox) are one file.
 */
const isSameProgram = (rule: Rule, argv0: string, file: string, context: PolicyContext): boolean =>
  basename(argv0) === basename(programOf(rule)) && fileOf(programOf(rule), context) === file

function fileOf(program: string, { find, judge }: PolicyContext): string | null {
  const found = find(program)
  return found === null ? null : judge(found).real
}
