/** Stands between hostops and a gateway, as a network and its proxies do. */
import { type AddressInfo, connect, createServer } from 'node:net'

type ProxyOptions = {
  /** Cuts the connection once: instead of passing on the answer that matches. */
  cutAt?: RegExp
  /** Says that the client is on another machine. */
  isRemote?: boolean
}

const HEADER = '\r\nX-Forwarded-For: 203.0.113.7\r\n'

export async function gatewayProxy(port: number, { cutAt, isRemote = false }: ProxyOptions) {
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
    let isFirst = isRemote
    near.on('data', chunk => {
      far.write(isFirst ? chunk.toString('latin1').replace('\r\n', HEADER) : chunk)
      isFirst = false
    })
    far.on('data', chunk => {
      if (cuts > 0 || !cutAt?.test(chunk.toString('latin1'))) return near.write(chunk)
      cuts += 1
      near.destroy()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    // hostops believes that the mapped address is another machine.
    url: `ws://${isRemote ? '[::ffff:127.0.0.1]' : '127.0.0.1'}:${(server.address() as AddressInfo).port}`,
    cuts: () => cuts,
    stop: () => server.close(),
  }
}
