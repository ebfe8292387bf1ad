/** Stands between hostops and a gateway, and cuts the connection once: instead of passing on the answer that matches. */
import { type AddressInfo, connect, createServer } from 'node:net'

export async function cuttingProxy(port: number, pattern: RegExp) {
  let cuts = 0
  const server = createServer(near => {
    const far = connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('error', () => {})
      from.on('close', () => to.destroy())
    }
    near.pipe(far)
    far.on('data', chunk => {
      if (cuts > 0 || !pattern.test(chunk.toString('latin1'))) return near.write(chunk)
      cuts += 1
      near.destroy()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cuts: () => cuts,
    stop: () => server.close(),
  }
}
