/** Who asks for something here, and for whom: a daemon starts hostops for its tokens, and says so with `--caller`. */
import { userInfo } from 'node:os'
import * as z from 'zod'
import type { By, Caller } from '../engine/events.ts'
import { Failed } from '../failure.ts'

const word = z.string().regex(/^[^\p{Cc}]{1,256}$/u, 'is not a line of at most 256 characters')
const bySchema = z.strictObject({ kind: z.enum(['user', 'token', 'mcp']), name: word })
const callerSchema = z.strictObject({
  by: bySchema,
  target: word.optional(),
  parent: z.strictObject({ fleet: word, wave: z.int().min(1) }).optional(),
})

/** As it stands behind `--caller`. */
export type GivenCaller = z.input<typeof callerSchema>

/** Throws `Failed` for a text that is not one of `GivenCaller`. Without any it is the user here. */
export function callerOf(given: string | undefined, target: string): Caller {
  if (given === undefined) return { by: userHere(), target, parent: null }
  const parsed = callerSchema.safeParse(jsonOf(given))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const problem = [...(issue?.path ?? []), issue?.message].join(' ')
    throw new Failed({ code: 'usage', what: 'caller', problem })
  }
  const { by, target: named = target, parent = null } = parsed.data
  return { by, target: named, parent }
}

/** Null for anything else than what `JSON.stringify` makes of one. */
export const byOf = (text: string): By | null => bySchema.safeParse(jsonOf(text)).data ?? null

export const userHere = (): By => ({ kind: 'user', name: userName() })

/** An agent that this user has given the tools of `hostops mcp`: another one than the user. */
export const agentHere = (): By => ({ kind: 'mcp', name: userName() })

/** A uid without an entry in passwd, as containers have it. */
export function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
