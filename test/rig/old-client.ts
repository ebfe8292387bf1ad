/**
 * The existing C client, byte for byte: the requests that it sends, with its fields in its order, one per connection;
 * and its way of reading: one frame, then it looks at nothing more.
 */
import { connect } from 'node:net'
import { MAGIC } from '../../src/hostlink/frame.ts'

export type OldRequest = Readonly<Record<string, unknown>>
export type OldAnswer = { text: string; json: Record<string, unknown>; closedByDaemon: boolean }

let count = 0

/** `cli-<n>-<pid>`, and the limit that it always sends. */
export const oldExec = (token: string, command: string, more: OldRequest = {}): OldRequest => ({
  version: 1,
  type: 'exec',
  id: `cli-${++count}-${process.pid}`,
  token,
  command,
  timeout_ms: 30_000,
  ...more,
})

export const oldPing = (token: string): OldRequest => ({
  version: 1,
  type: 'ping',
  id: `cli-${++count}-${process.pid}`,
  token,
})

export const oldJob = (token: string, action: string, more: OldRequest = {}): OldRequest => ({
  version: 1,
  type: 'job',
  id: `cli-${++count}-${process.pid}`,
  token,
  action,
  ...more,
})

/** cJSON prints compact, as JSON.stringify does; header and payload go out in two writes. */
export function oldAsk(socketPath: string, request: OldRequest): Promise<OldAnswer> {
  const payload = Buffer.from(JSON.stringify(request), 'utf8')
  const header = Buffer.alloc(8)
  header.writeUInt32BE(MAGIC, 0)
  header.writeUInt32BE(payload.length, 4)
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath)
    let held = Buffer.alloc(0)
    let frame: Buffer | null = null
    socket.on('connect', () => {
      socket.write(header)
      socket.write(payload)
    })
    socket.on('data', data => {
      held = Buffer.concat([held, data])
      if (frame || held.length < 8 || held.length < 8 + held.readUInt32BE(4)) return
      if (held.readUInt32BE(0) !== MAGIC) return void socket.destroy(new Error('bad magic'))
      frame = held.subarray(8)
    })
    socket.on('error', reject)
    // It closes by itself; the daemon is the one that ends the connection.
    socket.on('end', () => {
      socket.destroy()
      if (!frame) return reject(new Error('No response'))
      const text = frame.toString('utf8')
      resolve({ text, json: JSON.parse(text), closedByDaemon: true })
    })
  })
}
