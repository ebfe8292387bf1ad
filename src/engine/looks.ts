/** What is looked at twice in the same moment is looked at once: by several steps, or by one just behind another. */
import type { Done, ExecRequest } from '../steps/step.ts'

/** Of the present moment: until a step does something that may change what is seen, and never longer than this. */
export type Looks = Map<string, { at: number; answer: Promise<Done> }>
const MOMENT_MS = 2000

/** Answers by what an equal request was answered. A failure is nobody else's: whoever shared it asks for itself. */
export async function lookOnce(
  looks: Looks,
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
  return lookAgain(looks, key, now, ask)
}

/** Asks in any case, and lets others have the answer. */
export function lookAgain(looks: Looks, key: string, now: number, ask: () => Promise<Done>): Promise<Done> {
  for (const [old, { at }] of looks) if (now - at > MOMENT_MS) looks.delete(old)
  const answer = ask()
  looks.set(key, { at: now, answer })
  return answer
}

/** Quiet, and safe to do twice: then once is enough for two. */
export const isLook = ({ repeatable, quiet, onLine, signal }: ExecRequest): boolean =>
  repeatable === true && quiet === true && onLine === undefined && signal === undefined
