/** What several steps look at in the same moment is looked at once. */
import type { Done, ExecRequest } from '../steps/step.ts'

/** Of one moment, in which nothing is changed. */
export type Looks = Map<string, Promise<Done>>

/** Answers by what an equal request was answered. A failure is nobody else's: whoever shared it asks for itself. */
export async function lookOnce(looks: Looks, key: string, ask: () => Promise<Done>): Promise<Done> {
  const asked = looks.get(key)
  if (asked !== undefined) {
    try {
      return await asked
    } catch {
      return ask()
    }
  }
  const answer = ask()
  looks.set(key, answer)
  return answer
}

/** Quiet, and safe to do twice: then once is enough for two. */
export const isLook = ({ repeatable, quiet, onLine, signal }: ExecRequest): boolean =>
  repeatable === true && quiet === true && onLine === undefined && signal === undefined
