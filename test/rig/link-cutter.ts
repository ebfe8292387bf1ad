/** Stands between a client and a Unix socket, and can cut all connections, as a network does. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type LinkCutter = { socket: string; connections(): number; cut(): void; stop(): Promise<void> }

export async function cutLinksTo(target: string): Promise<LinkCutter> {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-cutter-'))
  const socket = join(folder, 'socket')
  const open = new Set<Socket>()
  let count = 0
  const server = createServer(near => {
    count++
    const far = connect(target)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        open.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  })
  await new Promise<void>(resolve => server.listen(socket, resolve))
  const cut = () => {
    for (const one of open) one.destroy()
  }
  return {
    socket,
    connections: () => count,
    cut,
    stop: async () => {
      cut()
      await new Promise(resolve => server.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
