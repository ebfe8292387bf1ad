/** One request on a connection of its own: what every daemon understands. */
import type { Received } from './answers.ts'
import { dial, type RequestBody, withSignal } from './channel.ts'
import type { ConnectOptions, Endpoint, Result } from './link.ts'

export async function requestOnce(
  endpoint: Endpoint,
  body: RequestBody,
  options: ConnectOptions = {},
): Promise<Result<Received>> {
  const dialed = await dial(endpoint, options)
  if (!dialed.ok) return dialed
  const result = await withSignal(dialed.value, body, options, options.signal)
  dialed.value.close()
  return result
}
