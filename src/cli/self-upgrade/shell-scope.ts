/** What shell text has set up by the time that a command of it runs: folder and variables. Pure. */
import { posix } from 'node:path'

/** Stands for what is not known before it runs; no word of a command can hold it. */
export const UNKNOWN = '\0'
export const isKnown = (word: string): boolean => !word.includes(UNKNOWN)

export type Scope = {
  /** Undefined: where the target begins. */
  readonly cwd: string | undefined
  /** Variables with a value, of which `exported` are the command's environment. */
  readonly vars: ReadonlyMap<string, string>
  readonly exported: ReadonlySet<string>
  /** What was set on the way here; the folder goes by the name of FOLDER. */
  readonly touched: ReadonlySet<string>
  /** What may be set at any time, as functions do that are called somewhere. */
  readonly volatile: ReadonlySet<string>
}
const FOLDER = ''
const NONE: ReadonlySet<string> = new Set()

export const scopeOf = (cwd: string | undefined, env: ReadonlyMap<string, string>): Scope => ({
  cwd,
  vars: env,
  exported: new Set(env.keys()),
  touched: NONE,
  volatile: NONE,
})

export const environmentOf = ({ vars, exported }: Scope): Map<string, string> =>
  new Map([...vars].filter(([name]) => exported.has(name)))

const touch = ({ touched }: Scope, name: string): ReadonlySet<string> =>
  touched.has(name) ? touched : new Set(touched).add(name)

export const withVar = (scope: Scope, name: string, value: string): Scope => ({
  ...scope,
  vars: new Map(scope.vars).set(name, scope.volatile.has(name) ? UNKNOWN : value),
  touched: touch(scope, name),
})

const withFolder = (scope: Scope, folder: string): Scope => ({
  ...scope,
  cwd: scope.volatile.has(FOLDER) ? UNKNOWN : folder,
  touched: touch(scope, FOLDER),
})

export const withExport = (scope: Scope, name: string): Scope => ({
  ...scope,
  exported: new Set(scope.exported).add(name),
})

/** Whatever is there may have been changed since. */
export const unsure = (scope: Scope): Scope => without(scope, [FOLDER, ...scope.vars.keys()])

/** These are not known any more. */
export const without = (scope: Scope, names: Iterable<string>): Scope =>
  [...names].reduce(
    (now, name) => (name === FOLDER ? withFolder(now, UNKNOWN) : withVar(now, name, UNKNOWN)),
    scope,
  )

export const untouched = (scope: Scope): Scope => ({ ...scope, touched: NONE })

export const withVolatile = (scope: Scope, names: ReadonlySet<string>): Scope => ({
  ...without(scope, names),
  volatile: new Set([...scope.volatile, ...names]),
})

/** What holds whichever of the two ways was taken. */
export function either(a: Scope, b: Scope): Scope {
  if (a === b) return a
  const vars = new Map<string, string>()
  for (const name of new Set([...a.vars.keys(), ...b.vars.keys()])) {
    const value = a.vars.get(name)
    vars.set(name, value !== undefined && value === b.vars.get(name) ? value : UNKNOWN)
  }
  return {
    ...a,
    cwd: a.cwd === b.cwd ? a.cwd : UNKNOWN,
    vars,
    touched: new Set([...a.touched, ...b.touched]),
    exported: new Set([...a.exported, ...b.exported]),
  }
}

export function inFolder(scope: Scope, folder: string): Scope {
  const { cwd } = scope
  const isRelative = !folder.startsWith('/')
  const isOpen = !isKnown(folder) || /^[~-]/.test(folder) || folder === ''
  const lacksBase = isRelative && (cwd === undefined || !isKnown(cwd))
  return withFolder(scope, isOpen || lacksBase ? UNKNOWN : posix.join(isRelative ? cwd! : '/', folder))
}
