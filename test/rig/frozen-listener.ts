/** A TCP port on which the kernel takes no further connection: its listener sleeps and its backlog is full. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const BACKLOG = 1
const LISTENER = `const server = require('node:net').createServer()
server.listen({ port: 0, host: '127.0.0.1', backlog: ${BACKLOG} }, () => console.log(server.address().port))`

export type FrozenListener = { readonly port: number; [Symbol.asyncDispose](): Promise<void> }

export async function startFrozenListener(): Promise<FrozenListener> {
  const child = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = await once(child.stdout, 'data')
  const port = Number(said)
  child.kill('SIGSTOP')
  const sockets: Socket[] = []
  // One more than the backlog gets through; whoever comes then waits until he is tired of it.
  for (let count = 0; count <= BACKLOG; count += 1) {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    sockets.push(socket)
    await once(socket, 'connect')
  }
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
