/** One request on a connection of its own: what every daemon understands. */
import type { Received } from './answers.ts'
import { dial, type RequestBody, withSignal } from './channel.ts'
import type { Endpoint, RequestOptions, Result } from './link.ts'

export async function requestOnce(
  endpoint: Endpoint,
  body: RequestBody,
  options: RequestOptions & { connectTimeoutMs?: number } = {},
): Promise<Result<Received>> {
  const dialed = await dial(endpoint, options)
  if (!dialed.ok) return dialed
  const limit = options.answerTimeoutMs === undefined ? {} : { answerTimeoutMs: options.answerTimeoutMs }
  const result = await withSignal(dialed.value, body, limit, options.signal)
  dialed.value.close()
  return result
}
