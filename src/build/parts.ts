/**
 * The program as the build has cut it: parts that are files beside the bin, each a table of modules. A call reads the
 * parts that it needs, because what it reads and never uses was a seventh of what a short command took.
 */
import { join } from 'node:path'
import { type Compiled, compile } from './compile.ts'

type Module = { exports: unknown }
type Code = (exports: unknown, load: (name: string) => unknown, module: Module, here: { url: string }) => void
/** What a part's file holds. */
type Part = Record<string, Code>
/** Read first, because it alone tells which part holds what. */
const FIRST = 'main'
const INDEX = 'parts'

export type Program<Entry> = {
  entry: Entry
  /** Those that were read so far. */
  parts(): ReadonlyMap<string, Compiled>
  /** For who compiles all of them. */
  read(part: string): void
}

export const partFile = (folder: string, part: string): string => join(folder, `hostops-${part}.cjs`)

export function openProgram<Entry>(
  folder: string,
  entry: string,
  codeOf: (part: string) => Buffer | undefined,
): Program<Entry> {
  const parts = new Map<string, Compiled>()
  const modules = new Map<string, Module>()
  const here = {
    get url() {
      return process.getBuiltinModule('node:url').pathToFileURL(partFile(folder, FIRST)).href
    },
  }
  const read = (part: string): Part => {
    const compiled = parts.get(part) ?? compile(partFile(folder, part), codeOf(part))
    parts.set(part, compiled)
    return compiled.value as Part
  }
  const partOf = read(FIRST)[INDEX] as unknown as Record<string, string>

  const load = (name: string): unknown => {
    const part = partOf[name]
    if (part === undefined) return process.getBuiltinModule(name)
    const loaded = modules.get(name)
    if (loaded !== undefined) return loaded.exports
    const module: Module = { exports: {} }
    modules.set(name, module)
    read(part)[name]!(module.exports, load, module, here)
    return module.exports
  }
  return { entry: load(entry) as Entry, parts: () => parts, read }
}
