/** Against the existing C daemon, as the rig fakes it: no argv, no streams, one request per connection. */
import { connect } from '../../src/transport/connect.ts'
import { startOldDaemon } from '../rig/old-daemon.ts'
import { transportContract } from './contract.ts'

transportContract('hostlink over the existing daemon', {
  traits: {
    namesSignals: false,
    knowsNotStarted: false,
    exactBytes: false,
    live: false,
    cancels: false,
    endsWithCommand: false,
    durable: true,
    keys: false,
  },
  open: async () => {
    const daemon = await startOldDaemon()
    const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
    const connected = await connect('hostlink', { env })
    if (!connected.ok) throw new Error(JSON.stringify(connected))
    const { transport } = connected
    const close = async () => {
      await transport.close()
      await daemon.stop()
    }
    return { transport, target: 'hostlink', options: { env }, close }
  },
})
