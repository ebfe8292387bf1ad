/** Reads policy.yaml into named policies; every mistake is reported at its line and column. */
import { basename } from 'node:path'
import * as z from 'zod'
import { createSource, type Diagnostic, inOrder } from '../../../document/diagnostic.ts'
import { keysAt } from '../../../document/schema-keys.ts'
import { readYaml } from '../../../document/yaml-file.ts'
import { zodDiagnostics } from '../../../document/zod-diagnostics.ts'
import type { Problem } from '../config/problem.ts'
import type { Policy } from './policy.ts'
import { ruleOf, ruleSchema } from './rule-schema.ts'

export type TokenEntry = {
  readonly name: string
  readonly file: string
  readonly tokenFile: string
  readonly groupReadable: boolean
  readonly policy: Policy
  readonly line: number
}

type PolicyFileResult = { entries: TokenEntry[] } | { problems: Problem[] }

const playbookSchema = z.strictObject({
  name: z.string().min(1),
  digest: z
    .string()
    .regex(/^(sha256:)?[0-9a-f]{64}$/, 'is not a sha256 digest: sha256:HEX, as sha256sum prints it'),
  pinned: z.record(z.string(), z.unknown()).optional(),
})
const tokenSchema = z
  .strictObject({
    token_file: z.string().regex(/^\//, 'is not an absolute path'),
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
  tokens: z.record(
    z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, 'a token’s name has letters, digits, ., _ and -, at most 64 of them'),
    tokenSchema,
  ),
})
type TokenSpec = z.output<typeof tokenSchema>

/** Pure. */
export function parsePolicyFile(text: string, file: string): PolicyFileResult {
  const yaml = readYaml(createSource(file, text), 'policy')
  if (!yaml.ok) return refused(yaml.diagnostics)
  const parsed = fileSchema.safeParse(yaml.file.value)
  if (!parsed.success)
    return refused(
      zodDiagnostics(parsed.error.issues, {
        ...yaml.file,
        celType: () => null,
        expressionPlace: () => undefined,
        keysAt: path => keysAt(fileSchema, path),
      }),
    )
  const lineOf = (...path: (string | number)[]) => yaml.file.keyPlace(['tokens', ...path]).start.line
  const entries = Object.entries(parsed.data.tokens).map(
    ([name, spec]): TokenEntry => ({
      ...{ name, file },
      tokenFile: spec.token_file,
      groupReadable: spec.group_readable,
      policy: policyOf(spec, index => `${basename(file)}:${lineOf(name, 'allow', index)}`),
      line: lineOf(name),
    }),
  )
  return { entries }
}

const refused = (diagnostics: Diagnostic[]): PolicyFileResult => ({
  problems: inOrder(diagnostics).map(({ file, start, message, hint }) => ({
    file,
    ...start,
    reason: message,
    hint,
  })),
})

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
