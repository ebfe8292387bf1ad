/** Reads policy.yaml into named policies; every mistake is reported at its line and column. */
import { basename } from 'node:path'
import { isMap, isPair, isScalar, LineCounter, type Node, type ParsedNode, parseDocument } from 'yaml'
import * as z from 'zod'
import { nearest } from '../../../document/nearest.ts'
import type { Problem } from '../config/problem.ts'
import type { Policy } from './policy.ts'
import { ruleOf, ruleSchema } from './rule-schema.ts'

export type TokenEntry = {
  readonly name: string
  readonly tokenFile: string
  readonly groupReadable: boolean
  readonly policy: Policy
  readonly line: number
}

type PolicyFileResult = { entries: TokenEntry[] } | { problems: Problem[] }

const absolute = z.string().regex(/^\//, 'is not an absolute path')
const playbookSchema = z.strictObject({
  name: z.string().min(1),
  digest: z
    .string()
    .regex(/^(sha256:)?[0-9a-f]{64}$/, 'is no sha256 digest: sha256:HEX, as sha256sum prints it'),
  pinned: z.record(z.string(), z.unknown()).optional(),
})
const tokenSchema = z
  .strictObject({
    token_file: absolute,
    group_readable: z.boolean().default(false),
    policy: z.enum(['full', 'deny', 'allowlist', 'playbooks']),
    allow: z.array(ruleSchema).optional(),
    playbooks: z.array(playbookSchema).optional(),
  })
  .superRefine((token, context) => {
    const wants = { allow: 'allowlist', playbooks: 'playbooks' } as const
    for (const [field, policy] of Object.entries(wants) as [keyof typeof wants, string][]) {
      const isThere = token[field] !== undefined
      if (isThere === (token.policy === policy)) continue
      const message = isThere ? `belongs to policy ${policy} only` : `policy ${policy} needs ${field}`
      context.addIssue({ code: 'custom', message, path: isThere ? [field] : ['policy'] })
    }
  })
const fileSchema = z.strictObject({
  tokens: z.record(z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'is no name for a token'), tokenSchema),
})
type TokenSpec = z.output<typeof tokenSchema>

const KNOWN_KEYS = [
  ...Object.keys(fileSchema.shape),
  ...Object.keys(tokenSchema.shape),
  ...Object.keys(ruleSchema.shape),
  ...Object.keys(playbookSchema.shape),
]

/** Pure. */
export function parsePolicyFile(text: string, file: string): PolicyFileResult {
  const counter = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: counter,
    strict: true,
    uniqueKeys: true,
    prettyErrors: false,
  })
  const at = (offset: number) => {
    const { line, col } = counter.linePos(offset)
    return { file, line, column: col }
  }
  if (document.errors.length > 0) {
    return {
      problems: document.errors.map(({ pos, message }) => ({ ...at(pos[0]), reason: oneLine(message) })),
    }
  }
  const root = document.contents
  if (!isMap(root)) return { problems: [{ file, reason: 'is empty: it needs `tokens:`' }] }
  const offset = (path: readonly PropertyKey[]) => offsetOf(root, path)
  const parsed = fileSchema.safeParse(toData(document), { reportInput: true })
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap(issue => wordIssue(issue, path => at(offset(path))))
    return { problems }
  }
  const entries = Object.entries(parsed.data.tokens).map(([name, spec]): TokenEntry => {
    const lineOf = (path: readonly PropertyKey[]) => at(offset(['tokens', name, ...path])).line
    return {
      name,
      tokenFile: spec.token_file,
      groupReadable: spec.group_readable,
      policy: policyOf(spec, index => `${basename(file)}:${lineOf(['allow', index])}`),
      line: lineOf([]),
    }
  })
  return { entries }
}

function policyOf(spec: TokenSpec, source: (index: number) => string): Policy {
  switch (spec.policy) {
    case 'full':
    case 'deny':
      return { kind: spec.policy }
    case 'playbooks':
      return { kind: 'playbooks', playbooks: spec.playbooks ?? [] }
    case 'allowlist':
      return {
        kind: 'allowlist',
        rules: (spec.allow ?? []).map((rule, index) => ruleOf(rule, source(index))),
      }
  }
}

/** A document that refers to itself a million times over is no policy. */
function toData(document: { toJS(options: { maxAliasCount: number }): unknown }): unknown {
  try {
    return document.toJS({ maxAliasCount: 20 })
  } catch {
    return null
  }
}

function wordIssue(
  issue: z.core.$ZodIssue,
  at: (path: readonly PropertyKey[]) => Omit<Problem, 'reason'>,
): Problem[] {
  const name = issue.path.map(String).join('.')
  const key = name === '' ? {} : { key: name }
  if (issue.code !== 'unrecognized_keys')
    return [{ ...at(issue.path), ...key, reason: reasonOf(issue), ...hintOf(issue) }]
  return issue.keys.map(unknown => {
    const guess = nearest(unknown, KNOWN_KEYS)
    return {
      ...at([...issue.path, unknown]),
      key: [...issue.path.map(String), unknown].join('.'),
      reason: 'is not a known key',
      ...(guess === undefined ? {} : { hint: `did you mean ${guess}?` }),
    }
  })
}

function hintOf(issue: z.core.$ZodIssue): { hint?: string } {
  const hint: unknown = issue.code === 'custom' ? issue.params?.['hint'] : undefined
  return typeof hint === 'string' ? { hint } : {}
}

function reasonOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'is missing'
        : `is not ${issue.expected === 'array' ? 'a list' : `a ${issue.expected}`}`
    case 'invalid_value':
      return `is not one of ${issue.values.join(', ')}`
    case 'invalid_key':
      return issue.issues[0]?.message ?? issue.message
    default:
      return issue.message
  }
}

/** Where the value stands, or its key, or the nearest thing around it that is there. */
function offsetOf(root: ParsedNode, path: readonly PropertyKey[]): number {
  let node: Node | null = root
  let offset = root.range[0]
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(
        item => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
      )
      if (pair === undefined) return offset
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value as Node | null
    } else {
      const item: unknown = (node as { items?: unknown[] } | null)?.items?.[Number(step)]
      if (item === undefined) return offset
      node = item as Node
      offset = node.range?.[0] ?? offset
    }
  }
  return offset
}

const oneLine = (message: string): string =>
  message
    .split('\n')[0]!
    .replace(/[.:]$/, '')
    .replace(/^./, c => c.toLowerCase())
