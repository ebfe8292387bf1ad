/** What `work` gives; undefined where it throws, for questions to which a failure is an answer like any other. */
export function quietly<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
