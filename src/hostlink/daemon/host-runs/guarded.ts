/** Whether a playbook lets its caller choose, by a ref, what is started as root of the host. Pure. */
import { parse } from 'yaml'

type Fields = Readonly<Record<string, unknown>>
type Step = { uses: string; with: Fields; when: unknown; conditional: boolean }

const STARTS = /^(compose\.(build|up|rollout)|image\.build)$/

/** Why it does, in words; null: it does not. What is no playbook starts nothing. */
export function unguarded(text: string, pinned: Fields): string | null {
  const { steps, isFixed } = partsOf(text, pinned)
  for (const [at, checkout] of steps.entries()) {
    if (checkout.uses !== 'git.checkout' || isBound(checkout, isFixed)) continue
    for (const start of steps.slice(at).filter(step => STARTS.test(step.uses))) {
      const guards = steps.slice(0, at).filter(step => guardsBoth(step, checkout, start))
      if (guards.length === 0)
        return `the caller chooses what git.checkout checks out, and no compose.guard before it judges what ${start.uses} starts`
      if (!guards.some(guard => isFixed(guard.with.allow ?? '')))
        return 'the caller chooses what compose.guard allows'
    }
  }
  return freeVariables(steps, isFixed, pinned)
}

/** Behind the last guard, a variable of the stack may name another image, folder or port than the one that it has judged. */
function freeVariables(steps: readonly Step[], isFixed: IsFixed, pinned: Fields): string | null {
  for (const [at, each] of steps.entries()) {
    if (each.uses !== 'env.set' || isFixed([each.with.set, each.with.file]) || isLeftOut(each, pinned))
      continue
    const next = steps.slice(at).findIndex(step => STARTS.test(step.uses))
    const start = steps[at + next]!
    const isJudged = steps
      .slice(at, at + next)
      .some(step => step.uses === 'compose.guard' && !step.conditional && same(step, start, STACK))
    if (next > 0 && !isJudged) return `the caller chooses what env.set writes, and ${start.uses} starts it`
  }
  return null
}

/** `inputs.imageFrom == 'registry'`, where another value is pinned. */
function isLeftOut({ when }: Step, pinned: Fields): boolean {
  const [, name, value] = /^inputs\.(\w+) == (?:'([^'\\]*)')$/.exec(String(when ?? '')) ?? []
  return name !== undefined && Object.hasOwn(pinned, name) && pinned[name] !== value
}

/** Whether the playbook narrows, verifies or judges each ref that it checks out; one that checks none out does not. */
export function bindsRefs(text: string, pinned: Fields): boolean {
  const { steps, isFixed } = partsOf(text, pinned)
  const checkouts = [...steps.entries()].filter(([, { uses }]) => uses === 'git.checkout')
  const isJudged = (at: number, checkout: Step) =>
    steps.slice(0, at).some(step => guards(step, checkout) && isFixed(step.with.allow ?? ''))
  return (
    checkouts.length > 0 &&
    checkouts.every(([at, checkout]) => isBound(checkout, isFixed) || isJudged(at, checkout))
  )
}

type IsFixed = (value: unknown) => boolean

const isBound = (checkout: Step, isFixed: IsFixed) =>
  checkout.with.verify === 'signature' || isFixed(checkout.with.ref) || namesRefs(checkout, isFixed)

/**
 * Branches and tags that the playbook names on the owner's remote are what that owner has published under these names, so
 * that the caller chooses among works of the owner's own; a pattern without a letter would take whatever anybody may push.
 */
function namesRefs({ with: { refs, unpublished = false, repo, remote } }: Step, isFixed: IsFixed): boolean {
  const isName = (glob: unknown) =>
    typeof glob === 'string' && !glob.includes('${{') && /^(refs\/)?(heads|tags)\/.*[^*?/]/.test(glob)
  const isOwners = isFixed(repo) && isFixed(remote) && unpublished === false
  return isOwners && Array.isArray(refs) && refs.length > 0 && refs.every(isName)
}

const guards = (step: Step, checkout: Step) =>
  step.uses === 'compose.guard' && !step.conditional && same(step, checkout, ['repo', 'ref', 'remote'])

const guardsBoth = (step: Step, checkout: Step, start: Step) =>
  guards(step, checkout) && same(step, start, STACK)

const STACK = ['dir', 'files', 'envFiles', 'project', 'profiles', 'services', 'adopt']

const same = (a: Step, b: Step, fields: readonly string[]) =>
  fields.every(field => JSON.stringify(a.with[field]) === JSON.stringify(b.with[field]))

/** Pinned, or bound by the playbook itself. An expression that is not plain is taken to be free. */
const fixedBy =
  (inputs: Fields, pinned: Fields): IsFixed =>
  value => {
    const written = JSON.stringify(value ?? '')
    if (!written.includes('${{')) return true
    const named = [...written.matchAll(/\binputs\.([A-Za-z]\w*)/g)].map(([, name]) => name!)
    if (named.length !== (written.match(/\b(inputs|env|steps|run)\b/g) ?? []).length) return false
    return named.every(name => {
      const input = inputs[name]
      return Object.hasOwn(pinned, name) || (isMap(input) && (input.pattern ?? input.oneOf) !== undefined)
    })
  }

function partsOf(text: string, pinned: Fields) {
  const root = read(text)
  return { steps: stepsOf(root), isFixed: fixedBy(isMap(root.inputs) ? root.inputs : {}, pinned) }
}

function stepsOf({ steps, defaults }: Fields): Step[] {
  return (Array.isArray(steps) ? steps : []).filter(isMap).map(step => ({
    uses: String(step.uses ?? ''),
    with: { ...(isMap(defaults) ? defaults : {}), ...(isMap(step.with) ? step.with : {}) },
    when: step.when,
    conditional: step.when !== undefined || step.continueOnError === true,
  }))
}

function read(text: string): Fields {
  try {
    const root: unknown = parse(text)
    return isMap(root) ? root : {}
  } catch {
    return {}
  }
}

const isMap = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
