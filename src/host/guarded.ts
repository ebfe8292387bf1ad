/** Whether a playbook lets its caller choose, by a ref, what is started as root of the host. Pure. */
import { parse } from 'yaml'
import { freeCommand, freeOption, type KindOf, templateOf } from './free-commands.ts'

type Fields = Readonly<Record<string, unknown>>
/** `with` holds the step's own `env` as well: it reaches Compose like a line of the env file. */
type Step = {
  uses: string
  with: Fields
  argvs: unknown[][]
  cwd: unknown
  when: unknown
  conditional: boolean
}

const STARTS = /^(compose\.(build|up|rollout)|image\.build)$/
const COMMANDS = /^(command|script)$/

/** Why it does, in words; null: it does not. What is no playbook starts nothing. */
export function unguarded(text: string, pinned: Fields): string | null {
  const { steps, isFixed, isPlace, isText, kindOf } = partsOf(text, pinned)
  for (const { argvs, with: fields } of steps) {
    const templates = argvs.map(argv => templateOf(argv, kindOf))
    const env = isMap(fields['env']) ? fields['env'] : {}
    const free = freeCommand(templates, env, kindOf) ?? freeOption(argvs, isText)
    if (free !== null) return free
  }
  return (
    freeTree(steps, isFixed) ??
    freePlace(steps, isPlace) ??
    freeVariables(steps, isFixed) ??
    freeState(steps, isFixed)
  )
}

/** A folder that is put back is another one than before: that of another service would lose what it wrote meanwhile. */
function freeState(steps: readonly Step[], isFixed: IsFixed): string | null {
  const isFree = ({ uses, with: { path, volume } }: Step) =>
    uses === 'files.snapshot' && !isFixed([path, volume])
  return steps.some(isFree) ? 'the caller chooses what files.snapshot copies and puts back' : null
}

function freeTree(steps: readonly Step[], isFixed: IsFixed): string | null {
  for (const [at, checkout] of steps.entries()) {
    if (checkout.uses !== 'git.checkout' || isBound(checkout, isFixed)) continue
    const reason = unjudged(checkout, steps.slice(0, at), steps, isFixed)
    if (reason !== null) return reason
  }
  return null
}

/** `before`: the steps before the checkout. */
function unjudged(
  checkout: Step,
  before: readonly Step[],
  steps: readonly Step[],
  isFixed: IsFixed,
): string | null {
  // A start before the checkout starts this tree in the next run.
  for (const start of steps.filter(step => STARTS.test(step.uses))) {
    const guards = before.filter(step => guardsBoth(step, checkout, start))
    if (guards.length === 0)
      return `the caller chooses what git.checkout checks out, and no compose.guard before it judges what ${start.uses} starts`
    if (!guards.some(guard => isFixed(guard.with['allow'] ?? '')))
      return 'the caller chooses what compose.guard allows'
  }
  const command = steps.find(step => COMMANDS.test(step.uses))
  if (command === undefined || before.some(step => guards(step, checkout))) return null
  return `the caller chooses what git.checkout checks out, and no compose.guard judges it before ${command.uses} runs there`
}

/**
 * The same of one start whose caller nobody has looked at before, so that folders count as well. What they have not
 * given is chosen by nobody, unless it is computed from what they gave; a default only looks at the inputs above it.
 * `values`: of the inputs that the owner has given.
 */
export function unguardedStart(text: string, values: Fields, given: readonly string[]): string | null {
  const { inputs } = read(text)
  const all = isMap(inputs) ? inputs : {}
  const fixed: Record<string, unknown> = {}
  for (const [name, input] of Object.entries(all)) {
    const value = values[name] ?? (isMap(input) ? input['default'] : undefined)
    if (!given.includes(name) && fixedBy(all, fixed)(value)) fixed[name] = value
  }
  return unguarded(text, fixed) ?? freeFolder(partsOf(text, fixed))
}

/** It may hold any program, and any stack but for one that a guard judges. */
function freeFolder({
  steps,
  isFixed,
}: Pick<ReturnType<typeof partsOf>, 'steps' | 'isFixed'>): string | null {
  const guarding = steps.filter(step => step.uses === 'compose.guard')
  if (!guarding.every(guard => isFixed(guard.with['allow'] ?? '')))
    return 'the caller chooses what compose.guard allows'
  if (!steps.every(step => !COMMANDS.test(step.uses) || isFixed(step.cwd)))
    return 'the caller chooses the folder that a command runs in'
  const isJudged = (start: Step) => guarding.some(guard => !guard.conditional && same(guard, start, STACK))
  return freePlace(
    steps.filter(step => !isJudged(step)),
    isFixed,
  )
}

/** Fields that say which files are built and started. `hostlinkd check` warns of an input of type path. */
function freePlace(steps: readonly Step[], isPlace: IsFixed): string | null {
  for (const { uses, with: fields } of steps.filter(step => STARTS.test(step.uses))) {
    const free = ['dir', 'files', 'envFiles', 'context', 'file'].find(name => !isPlace(fields[name]))
    if (free !== undefined) return `the caller chooses ${free} of ${uses}, and so what it starts`
  }
  return null
}

/** Behind the last guard, a variable of the stack may name another image, folder or port than the one that it has judged. */
function freeVariables(steps: readonly Step[], isFixed: IsFixed): string | null {
  const isFree = (step: Step) => step.uses === 'env.set' && !isFixed([step.with['set'], step.with['file']])
  const isSet = steps.some(isFree)
  for (const [at, start] of steps.entries()) {
    const isOwn = !isFixed(start.with['env'])
    if (!STARTS.test(start.uses) || !(isSet || isOwn)) continue
    // A variable that is set after the start is there in the next run.
    const since = steps.slice(steps.slice(0, at).findLastIndex(isFree) + 1, at)
    const isJudged = since.some(
      step =>
        step.uses === 'compose.guard' &&
        !step.conditional &&
        same(step, start, STACK) &&
        isFixed(step.with['allow'] ?? ''),
    )
    const what = isOwn ? `env of ${start.uses}` : 'what env.set writes'
    if (!isJudged) return `the caller chooses ${what}, and ${start.uses} uses it`
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
    steps.slice(0, at).some(step => guards(step, checkout) && isFixed(step.with['allow'] ?? ''))
  return (
    checkouts.length > 0 &&
    checkouts.every(([at, checkout]) => isBound(checkout, isFixed) || isJudged(at, checkout))
  )
}

type IsFixed = (value: unknown) => boolean

const isBound = (checkout: Step, isFixed: IsFixed) =>
  checkout.with['verify'] === 'signature' ||
  isFixed([checkout.with['ref'], checkout.with['remote']]) ||
  namesRefs(checkout, isFixed)

/**
 * Branches and tags that the playbook names on the owner's remote are what that owner has published under these names, so
 * that the caller chooses among works of the owner's own; a pattern without a letter would take whatever anybody may push.
 */
function namesRefs({ with: { refs, unpublished = false, repo, remote } }: Step, isFixed: IsFixed): boolean {
  const isName = (glob: unknown) =>
    typeof glob === 'string' && !glob.includes('${{') && /^(refs\/)?(heads|tags)\/.*[A-Za-z0-9]/.test(glob)
  const isOwners = isFixed(repo) && isFixed(remote) && unpublished === false
  return isOwners && Array.isArray(refs) && refs.length > 0 && refs.every(isName)
}

const guards = (step: Step, checkout: Step) =>
  step.uses === 'compose.guard' && !step.conditional && same(step, checkout, ['repo', 'ref', 'remote'])

const guardsBoth = (step: Step, checkout: Step, start: Step) =>
  guards(step, checkout) && same(step, start, STACK)

const STACK = ['dir', 'files', 'envFiles', 'project', 'profiles', 'services', 'adopt', 'env']

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
      return (
        Object.hasOwn(pinned, name) || (isMap(input) && (input['pattern'] ?? input['oneOf']) !== undefined)
      )
    })
  }

function partsOf(text: string, pinned: Fields) {
  const root = read(text)
  const inputs = isMap(root['inputs']) ? root['inputs'] : {}
  const paths = Object.entries(inputs).filter(([, input]) => isMap(input) && input['type'] === 'path')
  return {
    steps: stepsOf(root).filter(step => !isLeftOut(step, pinned)),
    isFixed: fixedBy(inputs, pinned),
    isText: textsBy(inputs, fixedBy(inputs, pinned)),
    kindOf: kindsBy(inputs, fixedBy(inputs, pinned)),
    isPlace: fixedBy(inputs, { ...Object.fromEntries(paths), ...pinned }),
  }
}

const textsBy =
  (inputs: Fields, isFixed: IsFixed) =>
  (text: string): boolean =>
    !isFixed(text) && inputsIn(text, inputs).some(input => isMap(input) && TEXTS.has(String(input['type'])))

const TEXTS: ReadonlySet<string> = new Set(['string', 'secret'])

const inputsIn = (text: string, inputs: Fields): unknown[] =>
  [...text.matchAll(/\binputs\.([A-Za-z]\w*)/g)].map(([, name]) => inputs[name!])

/** By the types of all inputs that a text holds: text of any kind may be a command. */
const kindsBy =
  (inputs: Fields, isFixed: IsFixed): KindOf =>
  text => {
    if (isFixed(text)) return null
    const named = inputsIn(text, inputs)
    const areAll = (...types: string[]) =>
      named.length > 0 && named.every(input => isMap(input) && types.includes(String(input['type'])))
    if (areAll('integer', 'number', 'boolean', 'duration')) return 'int'
    return areAll('path') ? 'path' : 'name'
  }

function stepsOf({ steps, defaults }: Fields): Step[] {
  return (Array.isArray(steps) ? steps : []).filter(isMap).map(step => ({
    uses: usesOf(step),
    with: {
      ...(isMap(defaults) ? defaults : {}),
      ...(isMap(step['with']) ? step['with'] : {}),
      env: step['env'],
    },
    argvs: COMMANDS.test(usesOf(step)) ? argvsOf(step, defaults) : [],
    cwd: step['cwd'],
    when: step['when'],
    conditional: step['when'] !== undefined || step['continueOnError'] === true,
  }))
}

function argvsOf(step: Fields, defaults: unknown): unknown[][] {
  const from = [defaults, step['with'], step].filter(isMap)
  const fields: Fields = Object.assign({}, ...from)
  return [step['run'], ...['argv', 'undo', 'reactivate', 'verify'].map(name => fields[name])].filter(
    Array.isArray,
  )
}

function usesOf({ uses, run, script }: Fields): string {
  if (run !== undefined) return 'command'
  return script === undefined ? String(uses ?? '') : 'script'
}

/** With the options of the runner's reader: what that one accepts must not be a mistake here. */
function read(text: string): Fields {
  try {
    const root: unknown = parse(text, { version: '1.2', schema: 'core', merge: false, uniqueKeys: false })
    return isMap(root) ? root : {}
  } catch {
    return {}
  }
}

const isMap = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
