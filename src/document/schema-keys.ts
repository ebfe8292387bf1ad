/**
 * Which keys a zod schema knows at a path: for "did you mean", for which `defaults` a kind can use, and
 * where no expression may stand.
 */
import type * as z from 'zod'
import { globalRegistry } from 'zod'
import type { Path } from './yaml-file.ts'

type Definition = {
  type: string
  shape?: Record<string, Schema>
  element?: Schema
  valueType?: Schema
  innerType?: Schema
  in?: Schema
  options?: Schema[]
  left?: Schema
  right?: Schema
  getter?: () => Schema
}
type Schema = { _zod: { def: unknown } }

export function keysAt(schema: z.ZodType, path: Path): string[] {
  const shapes = schemasAt(schema, path).map(each => definition(each).shape ?? {})
  return [...new Set(shapes.flatMap(shape => Object.keys(shape)))]
}

/**
 * A field whose text may not be built from expressions says so with `.meta({ literal: HINT })`: shell text, where an
 * input would be read as code.
 */
export function literalHintAt(schema: z.ZodType, path: Path): string | undefined {
  const hints = schemasAt(schema, path).map(each => globalRegistry.get(each as z.ZodType)?.['literal'])
  return hints.find(hint => typeof hint === 'string')
}

function schemasAt(schema: z.ZodType, path: Path): Schema[] {
  let schemas: Schema[] = alternatives(schema)
  for (const part of path) {
    schemas = schemas.flatMap(each => childrenOf(each, part)).flatMap(each => alternatives(each))
  }
  return schemas
}

function definition(schema: Schema): Definition {
  return schema._zod.def as Definition
}

/** The schema without its wrappers; all the options of a union. */
function alternatives(schema: Schema, depth = 0): Schema[] {
  const def = definition(schema)
  if (depth > 8) return []
  const inner = def.innerType ?? def.in ?? (def.type === 'lazy' ? def.getter?.() : undefined)
  if (inner !== undefined) return alternatives(inner, depth + 1)
  const several = def.options ?? (def.type === 'intersection' ? [def.left!, def.right!] : undefined)
  return several === undefined ? [schema] : several.flatMap(each => alternatives(each, depth + 1))
}

function childrenOf(schema: Schema, part: string | number): Schema[] {
  const { shape, element, valueType } = definition(schema)
  const child =
    typeof part === 'number' ? element : shape && Object.hasOwn(shape, part) ? shape[part] : valueType
  return child === undefined ? [] : [child]
}
