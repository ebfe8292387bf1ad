/**
 * Aborts with the signal, or after that long. Node 20 collects an `AbortSignal.timeout` that only `AbortSignal.any`
 * refers to, and then it never fires.
 */
export function withLimit(signal: AbortSignal | undefined, ms: number): AbortSignal {
  const limit = new AbortController()
  setTimeout(() => limit.abort(), ms).unref()
  return signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal])
}
