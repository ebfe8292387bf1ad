/** A rule as it is written in policy.yaml. Pure. */
import * as z from 'zod'
import { isPlainPath } from './holes.ts'
import { openFault } from './open-programs.ts'
import type { Rule } from './rule.ts'
import { type Fault, hasHole, hasWildcard, parseWord, type Word } from './template.ts'
import { templateFor, typedFolder, wildcardFault } from './wildcards.ts'

const noNul = z.string().regex(/^[^\0]*$/, 'contains a NUL byte')
type Complain = (path: PropertyKey[], fault: Fault) => void
const complainTo =
  <T>(context: z.core.$RefinementCtx<T>): Complain =>
  (path, { reason, hint }) =>
    context.addIssue({ code: 'custom', message: reason, path, ...(hint && { params: { hint } }) })

const argv = z
  .array(noNul)
  .min(1, 'is empty')
  .superRefine((words, context) => {
    if (words.length > 0) checkArgv(words, complainTo(context))
  })
const workdir = z.string().superRefine((text, context) => {
  const fault = workdirFault(text)
  if (fault !== null) complainTo(context)([], fault)
})
export const ruleSchema = z
  .strictObject({
    binary: z.string().optional(),
    argv: argv.optional(),
    env: z.array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is not the name of a variable')).default([]),
    workdir: workdir.optional(),
  })
  .superRefine(({ binary, argv: words }, context) => {
    const complain = complainTo(context)
    if (binary !== undefined)
      complain(['binary'], {
        reason: 'allows any arguments, which no rule may',
        hint: `write argv: ${templateFor([binary])}`,
      })
    else if (words === undefined) complain([], { reason: 'needs argv' })
  })

function checkArgv(words: readonly string[], complain: Complain): void {
  const [program] = words as [string]
  const wildcard = wildcardFault(words)
  if (/[*{}]/.test(program)) {
    complain([0], { reason: 'must be spelled out: the first word names the program' })
  } else if (program.includes('/') && !program.startsWith('/')) {
    complain([0], { reason: 'is a relative path' })
  } else if (wildcard !== null) {
    complain([wildcard.index], wildcard)
  } else {
    checkTemplate(words, complain)
  }
}

function checkTemplate(words: readonly string[], complain: Complain): void {
  const parsed = words.map(parseWord)
  for (const [index, each] of parsed.entries()) if ('fault' in each) complain([index], each.fault)
  const template = parsed.flatMap(each => ('word' in each ? [each.word] : []))
  const fault = template.length === words.length ? openFault(words[0]!, template) : null
  if (fault !== null) complain([], fault)
}

function workdirFault(text: string): Fault | null {
  if (hasWildcard(text))
    return { reason: 'holds a wildcard, which is not a hole', hint: `write workdir: "${typedFolder(text)}"` }
  const parsed = parseWord(text)
  if ('fault' in parsed) return parsed.fault
  const { word } = parsed
  if (!hasHole(word) && !text.startsWith('/')) return { reason: 'is not an absolute path' }
  const isFolder = hasHole(word) ? word.hole.kind === 'path' && word.before === '' : isPlainPath(text)
  if (isFolder || text === '/') return null
  return { reason: 'is not a plain folder', hint: 'workdir: /srv/openclaw, or "{path:/srv/openclaw/**}"' }
}

export function ruleOf(
  { argv: words = [], env, workdir: folder }: z.output<typeof ruleSchema>,
  source: string,
): Rule {
  const place = folder === undefined ? {} : { workdir: wordOf(folder) }
  return { template: words.map(wordOf), env, ...place, source }
}

/** It was checked before. */
function wordOf(text: string): Word {
  const parsed = parseWord(text)
  return 'word' in parsed ? parsed.word : { literal: text }
}
