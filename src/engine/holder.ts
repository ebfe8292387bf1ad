/** Who works on a target, and what another runner may believe about it. */
import * as z from 'zod'
import { parseJson } from '../document/json.ts'
import { isRunId } from './run-id.ts'

/** Who holds a lock, as its file says. */
export type Holder = {
  runId: string
  /** user@host, for people. */
  who: string
  pid: number
  since: string
  /** Names the machine and its boot, so that another process there can prove the holder dead. */
  machine: string
  boot: string
  /** When the process began, by the kernel: a pid alone may be somebody else's by now. */
  processStart: string
  /** The state folder that has its run, on its machine. */
  state?: string | undefined
}

/** What can be known about a holder from here. It is dead, and its run was not finished (`interrupted`), or has no record any more (`lost`). */
export type HolderStatus = 'alive' | 'finished' | 'interrupted' | 'lost' | 'unknown'

export type LockInput = {
  holder: Holder
  judge(holder: Holder): HolderStatus
  /** How long to wait for somebody else's run. */
  waitMs: number
}

const plain = z.string().regex(/^[^\p{C}\p{Zl}\p{Zp}]{0,256}$/u)
const holderSchema: z.ZodType<Holder> = z.object({
  // A folder is looked for under this name, and a person is told to type it.
  runId: z.string().refine(isRunId),
  who: plain,
  pid: z.number().int().positive(),
  since: plain,
  machine: plain,
  boot: plain,
  processStart: plain,
  // A person will type it, too.
  state: z
    .string()
    .regex(/^(\/[A-Za-z0-9._/-]{0,1023}|[A-Za-z]:\\[A-Za-z0-9._\\ -]{0,1023})$/)
    .optional()
    .catch(undefined),
})

/** Null for what hostops did not write: any user of the machine may put a lock there. */
export const readHolder = (content: string): Holder | null =>
  holderSchema.safeParse(parseJson(content)).data ?? null
