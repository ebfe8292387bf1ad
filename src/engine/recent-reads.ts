/** Equal looks at the host within the same moment are made once, whether two steps run concurrently or one after the other. */
import type { CommandRequest, Done } from '../steps/contract/step.ts'

/** Answers that are still current: until a step does something that may change them, and for 2 s at most. */
export type RecentReads = Map<string, { at: number; answer: Promise<Done> }>
const MOMENT_MS = 2000

/** Reuses the answer to an equal request. A failure is not reused: each caller then asks for itself. */
export async function readOnce(
  looks: RecentReads,
  key: string,
  now: number,
  ask: () => Promise<Done>,
): Promise<Done> {
  const earlier = looks.get(key)
  if (earlier !== undefined && now - earlier.at <= MOMENT_MS) {
    try {
      return await earlier.answer
    } catch {
      return ask()
    }
  }
  return readAgain(looks, key, now, ask)
}

/** Always asks, and lets others reuse the answer. */
export function readAgain(
  looks: RecentReads,
  key: string,
  now: number,
  ask: () => Promise<Done>,
): Promise<Done> {
  for (const [old, { at }] of looks) if (now - at > MOMENT_MS) looks.delete(old)
  const answer = ask()
  looks.set(key, { at: now, answer })
  return answer
}

/** A quiet and repeatable command changes nothing, so two callers can share its answer. */
export const isRead = ({ repeatable, quiet, onLine, signal }: CommandRequest): boolean =>
  repeatable === true && quiet === true && onLine === undefined && signal === undefined
