/**
 * Aborts with the signal, or after that long. Node 20 collects an `AbortSignal.timeout` that only `AbortSignal.any`
 * refers to, and then it never fires.
 */
export function withLimit(signal: AbortSignal, ms: number): AbortSignal {
  const limit = new AbortController()
  setTimeout(() => limit.abort(), ms).unref()
  return AbortSignal.any([signal, limit.signal])
}
