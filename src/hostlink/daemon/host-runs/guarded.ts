/** Whether a playbook lets its caller choose, by a ref, what is started as root of the host. Pure. */
import { parse } from 'yaml'

type Fields = Readonly<Record<string, unknown>>
type Step = { uses: string; with: Fields; conditional: boolean }

const STARTS = /^(compose\.(build|up|rollout)|image\.build)$/

/** Why it does, in words; null: it does not. What is no playbook starts nothing. */
export function unguarded(text: string, pinned: Fields): string | null {
  const root = read(text)
  const steps = stepsOf(root)
  const isFixed = fixedBy(isMap(root.inputs) ? root.inputs : {}, pinned)
  for (const [at, checkout] of steps.entries()) {
    if (checkout.uses !== 'git.checkout' || checkout.with.verify === 'signature') continue
    if (isFixed(checkout.with.ref)) continue
    for (const start of steps.slice(at).filter(step => STARTS.test(step.uses))) {
      const guards = steps.slice(0, at).filter(step => guardsBoth(step, checkout, start))
      if (guards.length === 0)
        return `the caller chooses what git.checkout checks out, and no compose.guard before it judges what ${start.uses} starts`
      if (!guards.some(guard => isFixed(guard.with.allow ?? '')))
        return 'the caller chooses what compose.guard allows'
    }
  }
  return null
}

const guardsBoth = (step: Step, checkout: Step, start: Step) =>
  step.uses === 'compose.guard' &&
  !step.conditional &&
  same(step, checkout, ['repo', 'ref', 'remote']) &&
  same(step, start, ['dir', 'files', 'envFiles', 'project', 'profiles', 'services', 'adopt'])

const same = (a: Step, b: Step, fields: readonly string[]) =>
  fields.every(field => JSON.stringify(a.with[field]) === JSON.stringify(b.with[field]))

/** Pinned, or bound by the playbook itself. An expression that is not plain is taken to be free. */
const fixedBy = (inputs: Fields, pinned: Fields) => (value: unknown) => {
  const written = JSON.stringify(value ?? '')
  if (!written.includes('${{')) return true
  const named = [...written.matchAll(/\binputs\.([A-Za-z]\w*)/g)].map(([, name]) => name!)
  if (named.length !== (written.match(/\b(inputs|env|steps)\b/g) ?? []).length) return false
  return named.every(name => {
    const input = inputs[name]
    return Object.hasOwn(pinned, name) || (isMap(input) && (input.pattern ?? input.oneOf) !== undefined)
  })
}

function stepsOf({ steps, defaults }: Fields): Step[] {
  return (Array.isArray(steps) ? steps : []).filter(isMap).map(step => ({
    uses: String(step.uses ?? ''),
    with: { ...(isMap(defaults) ? defaults : {}), ...(isMap(step.with) ? step.with : {}) },
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
